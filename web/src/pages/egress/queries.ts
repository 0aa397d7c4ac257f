import { queryOptions } from '@tanstack/react-query'
import { call } from '../../api/client.ts'
import type { Egress, EgressDenied, EgressPreset } from '../../api/types.ts'

/** While the page is looked at; a hidden tab asks for nothing. */
const livePollMs = 5_000

export const egressQuery = (instanceId: string) =>
  queryOptions({
    queryKey: ['egress', instanceId],
    queryFn: () => call<Egress>('GET', `/api/instances/${instanceId}/egress`),
    refetchInterval: livePollMs,
  })

export const deniedQuery = (instanceId: string) =>
  queryOptions({
    queryKey: ['egress-denied', instanceId],
    queryFn: async () =>
      (await call<{ denied: EgressDenied[] }>('GET', `/api/instances/${instanceId}/egress/denied`)).denied,
    refetchInterval: livePollMs,
  })

export const presetsQuery = queryOptions({
  queryKey: ['egress-presets'],
  queryFn: async () => (await call<{ presets: EgressPreset[] }>('GET', '/api/egress/presets')).presets,
  staleTime: Number.POSITIVE_INFINITY,
})
