import { infiniteQueryOptions, type QueryClient, queryOptions } from '@tanstack/react-query'
import { call } from '../../api/client.ts'
import { creditsKey } from '../../api/credits.ts'
import type { AdminPayments, Operator, Overview, PriceVersions, Reconciliations } from '../../api/types.ts'

export const overviewQuery = queryOptions({
  queryKey: ['admin', 'overview'],
  queryFn: () => call<Overview>('GET', '/api/admin/overview'),
  refetchInterval: 5_000,
})

export const operatorsQuery = queryOptions({
  queryKey: ['admin', 'operators'],
  queryFn: async () => (await call<{ operators: Operator[] }>('GET', '/api/admin/operators')).operators,
})

export const adminPricesQuery = queryOptions({
  queryKey: ['admin', 'prices'],
  queryFn: () => call<PriceVersions>('GET', '/api/admin/prices'),
})

/** Everything under this key changes when money comes or goes. */
const adminPaymentsKey = ['admin', 'payments']

/** After money came or went, or may have: the operator's own organization may be the one. */
export async function refreshPayments(client: QueryClient): Promise<void> {
  await client.invalidateQueries({ queryKey: adminPaymentsKey })
  await client.invalidateQueries({ queryKey: creditsKey })
}

export interface AdminPaymentFilter {
  search: string
  view: string
}

export const adminPaymentsQuery = ({ search, view }: AdminPaymentFilter) =>
  infiniteQueryOptions({
    queryKey: [...adminPaymentsKey, 'list', search.trim(), view],
    queryFn: ({ pageParam }) => {
      const query = new URLSearchParams({ disputed: String(view === 'disputed') })
      if (search.trim()) query.set('search', search.trim())
      if (pageParam) query.set('cursor', pageParam)
      return call<AdminPayments>('GET', `/api/admin/payments?${query}`)
    },
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.cursor,
    refetchInterval: 10_000,
    placeholderData: (previous) => previous,
  })

const underWayPollMs = 3_000
const settledPollMs = 30_000

export const reconciliationsQuery = queryOptions({
  queryKey: [...adminPaymentsKey, 'reconciliations'],
  queryFn: () => call<Reconciliations>('GET', '/api/admin/payments/reconciliations'),
  refetchInterval: (query) =>
    query.state.data?.reconciliations.some(({ finishedAt }) => finishedAt === null)
      ? underWayPollMs
      : settledPollMs,
})
