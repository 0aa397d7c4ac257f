import { useMutation, useQueryClient } from '@tanstack/react-query'
import { call } from '../api/client.ts'
import { acceptInstance } from '../api/live.ts'
import { meQuery } from '../api/queries.ts'
import type { Instance } from '../api/types.ts'

/** What changes the state of an instance; which of these are offered is the server's table, `instance.actions`. */
export type InstanceChange = 'start' | 'suspend' | 'stop' | 'restart' | 'upgrade' | 'delete'

export function useInstanceChange(instanceId: string) {
  return useMutation({
    mutationFn: (change: InstanceChange) =>
      change === 'delete'
        ? call<Instance>('DELETE', `/api/instances/${instanceId}`)
        : call<Instance>('POST', `/api/instances/${instanceId}/${change}`, { body: {} }),
    onSuccess: acceptInstance,
  })
}

export function useProvision() {
  const client = useQueryClient()
  return useMutation({
    meta: { showsError: true },
    mutationFn: () => call<Instance>('POST', '/api/provision', { body: {} }),
    onSuccess: async (instance) => {
      acceptInstance(instance)
      await client.invalidateQueries({ queryKey: meQuery.queryKey })
    },
  })
}

/** Opens the Control UI in a tab of its own, signed in: at the instance's own address, or at a domain that leads to it. */
export function useVisit(instanceId: string, domain?: string) {
  return useMutation({
    mutationFn: async () => {
      // Opened within the click, or the browser takes it for a pop-up; it gets its address once that is known.
      const tab = window.open('about:blank')
      try {
        const { url } = await call<{ url: string }>('POST', `/api/instances/${instanceId}/visit`, {
          body: domain === undefined ? {} : { domain },
        })
        if (!tab) return location.assign(url)
        tab.opener = null
        tab.location.replace(url)
      } catch (error) {
        tab?.close()
        throw error
      }
    },
  })
}
