import { queryOptions } from '@tanstack/react-query'
import { call } from '../../api/client.ts'
import type { Domain } from '../../api/types.ts'

const pendingPollMs = 10_000
const settledPollMs = 60_000

export const domainsQuery = (instanceId: string) =>
  queryOptions({
    queryKey: ['domains', instanceId],
    queryFn: async () =>
      (await call<{ domains: Domain[] }>('GET', `/api/instances/${instanceId}/domains`)).domains,
    refetchInterval: (query) =>
      query.state.data?.some(({ state }) => state === 'pending') ? pendingPollMs : settledPollMs,
  })
