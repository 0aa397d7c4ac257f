import { useQuery } from '@tanstack/react-query'
import { Outlet } from '@tanstack/react-router'
import { useEffect } from 'react'
import { acceptInstance, realtime } from '../api/live.ts'
import { meQuery } from '../api/queries.ts'
import { CommandPaletteHost } from './command-palette-host.tsx'
import { ErrorPage } from './error-page.tsx'
import { Shell } from './shell.tsx'
import { ShellSkeleton } from './shell-skeleton.tsx'

/** Around every page of a person who is signed in: who they are, their instance kept live, navigation, palette. */
export function AppLayout() {
  const me = useQuery(meQuery)
  const instanceId = me.data?.instance?.id

  useEffect(() => {
    if (!instanceId) return
    return realtime.subscribe('instance', instanceId, { instance: acceptInstance })
  }, [instanceId])

  if (me.data)
    return (
      <Shell me={me.data} key={me.data.organization.id}>
        <Outlet />
        <CommandPaletteHost me={me.data} />
      </Shell>
    )
  if (me.error) return <ErrorPage error={me.error} reset={() => void me.refetch()} />
  return <ShellSkeleton />
}
