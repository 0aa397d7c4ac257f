import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { membersQuery } from '../../api/queries.ts'
import type { SecretEvent } from '../../api/types.ts'
import { useMe } from '../../app/use-me.ts'
import { Button } from '../../ui/button.tsx'
import { Card, EmptyState } from '../../ui/card.tsx'
import { ErrorNotice } from '../../ui/notice.tsx'
import { SkeletonRows } from '../../ui/skeleton.tsx'
import { RelativeTime } from '../../ui/time.tsx'
import { secretEventsQuery } from './queries.ts'
import { eventText } from './words.ts'

const shownFirst = 8

/** Who did what with the secrets of the instance, and when its machine was given them. */
export function SecretEventsCard({ instanceId }: { instanceId: string }) {
  const { organization, user } = useMe()
  const events = useQuery(secretEventsQuery(instanceId))
  const members = useQuery(membersQuery(organization.id))
  const [all, setAll] = useState(false)
  const nameOf = (userId: string | null) => {
    if (userId === null) return null
    if (userId === user.id) return 'you'
    return members.data?.find((member) => member.userId === userId)?.name ?? 'a former member'
  }
  const shown = all ? events.data : events.data?.slice(0, shownFirst)
  return (
    <Card title="What was done" description="Names and times, never values." flush>
      {events.isPending && <SkeletonRows />}
      {events.error && (
        <ErrorNotice error={events.error} onRetry={() => void events.refetch()} className="m-5" />
      )}
      {events.data?.length === 0 && (
        <EmptyState title="Nothing yet">
          Each change of a secret and each time the instance is given one is written down here.
        </EmptyState>
      )}
      <ul className="divide-y divide-line">
        {shown?.map((event) => (
          <EventRow key={event.id} event={event} by={nameOf(event.userId)} />
        ))}
      </ul>
      {events.data && events.data.length > shownFirst && !all && (
        <div className="border-t border-line p-3 text-center">
          <Button size="small" variant="quiet" onClick={() => setAll(true)}>
            Show all {events.data.length}
          </Button>
        </div>
      )}
    </Card>
  )
}

function EventRow({ event, by }: { event: SecretEvent; by: string | null }) {
  return (
    <li className="flex flex-wrap items-baseline gap-x-3 px-5 py-2.5 text-sm">
      <span className="font-mono text-[0.8125rem] break-all">{event.name}</span>
      <span className="min-w-0 flex-1 text-ink-soft">
        {eventText[event.kind]}
        {by && ` by ${by}`}
        <span className="text-ink-faint">, version {event.version}</span>
      </span>
      <span className="text-[0.8125rem] text-ink-faint">
        <RelativeTime at={event.at} />
      </span>
    </li>
  )
}
