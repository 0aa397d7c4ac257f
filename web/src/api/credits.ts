import { infiniteQueryOptions, queryOptions } from '@tanstack/react-query'
import { call, request } from './client.ts'
import type {
  Alert,
  AlertWebhook,
  Budget,
  Credits,
  CurrentPrices,
  LedgerEntries,
  LedgerEntry,
  Payment,
  Payments,
  Usage,
  UsageGrouping,
} from './types.ts'

/** Everything under this key changes when credits come or go; the realtime connection hints at it. */
const key = 'credits'
export const creditsKey = [key]

const livePollMs = 5_000
const calmPollMs = 30_000

/** Who watches their balance sees it fall; elsewhere it is refreshed now and then. */
export const creditsQuery = (watched: boolean) =>
  queryOptions({
    queryKey: [key, 'balance'],
    queryFn: () => call<Credits>('GET', '/api/credits'),
    refetchInterval: watched ? livePollMs : calmPollMs / 2,
  })

export const pricesQuery = queryOptions({
  queryKey: [key, 'prices'],
  queryFn: () => call<CurrentPrices>('GET', '/api/credits/prices'),
  staleTime: 60_000,
})

export const alertsQuery = queryOptions({
  queryKey: [key, 'alerts'],
  queryFn: async () => (await call<{ alerts: Alert[] }>('GET', '/api/alerts')).alerts,
  refetchInterval: calmPollMs / 2,
})

export const paymentsQuery = queryOptions({
  queryKey: [key, 'payments'],
  queryFn: () => call<Payments>('GET', '/api/payments'),
  refetchInterval: calmPollMs,
})

/** Asked again until the bank has said yes or no. */
export const paymentQuery = (paymentId: string) =>
  queryOptions({
    queryKey: [key, 'payment', paymentId],
    queryFn: () => call<Payment>('GET', `/api/payments/${encodeURIComponent(paymentId)}`),
    refetchInterval: (query) =>
      query.state.data && !['open', 'processing'].includes(query.state.data.state) ? false : 2_000,
  })

export const usageQuery = (range: { from: string; by2: UsageGrouping }) =>
  queryOptions({
    queryKey: [key, 'usage', range],
    queryFn: () => call<Usage>('GET', `/api/usage?by=day&by2=${range.by2}&from=${range.from}`),
    refetchInterval: calmPollMs,
    placeholderData: (previous) => previous,
  })

const agentDays = 90

/** Ids of the agents that used anything lately, the dearest first. */
export const agentsQuery = queryOptions({
  queryKey: [key, 'agents'],
  queryFn: async () => {
    const from = new Date(Date.now() - agentDays * 86_400_000).toISOString().slice(0, 10)
    const { rows } = await call<Usage>('GET', `/api/usage?by=agent&from=${from}`)
    return rows.map(({ agentId }) => agentId).filter((id) => id !== null)
  },
})

export const budgetsQuery = queryOptions({
  queryKey: [key, 'budgets'],
  queryFn: async () => (await call<{ budgets: Budget[] }>('GET', '/api/credits/budgets')).budgets,
  refetchInterval: livePollMs * 2,
})

export const alertWebhookQuery = queryOptions({
  queryKey: [key, 'alert-webhook'],
  queryFn: async () =>
    (await call<{ webhook: AlertWebhook | null }>('GET', '/api/credits/alert-webhook')).webhook,
})

export interface StatementFilter {
  search?: string | undefined
  kind?: LedgerEntry['kind'] | undefined
  from?: string | undefined
  to?: string | undefined
  holds?: boolean | undefined
}

export const statementQuery = (filter: StatementFilter) =>
  infiniteQueryOptions({
    queryKey: [key, 'statement', filter],
    queryFn: ({ pageParam }) => {
      const query = statementSearch(filter)
      if (pageParam) query.set('cursor', pageParam)
      return call<LedgerEntries>('GET', `/api/credits/ledger?${query}`)
    },
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.cursor,
    placeholderData: (previous) => previous,
  })

/** The whole statement as a file: a link cannot say who is asking, so it is fetched and handed over. */
export async function downloadStatement(filter: StatementFilter): Promise<void> {
  const response = await request('GET', `/api/credits/ledger.csv?${statementSearch(filter)}`, {
    accept: 'text/csv',
  })
  const link = document.createElement('a')
  link.href = URL.createObjectURL(await response.blob())
  link.download = 'reef-credits.csv'
  link.click()
  // The browser has taken it over by the next turn of its loop; a minute is more than enough.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000)
}

export function statementSearch({ search, kind, from, to, holds }: StatementFilter): URLSearchParams {
  const query = new URLSearchParams()
  if (search?.trim()) query.set('search', search.trim())
  if (kind) query.set('kind', kind)
  if (from) query.set('from', from)
  // People mean the whole of the last day; the API does not include it.
  if (to) query.set('to', dayAfter(to))
  if (holds) query.set('holds', 'true')
  return query
}

function dayAfter(day: string): string {
  const next = new Date(`${day}T00:00:00Z`)
  next.setUTCDate(next.getUTCDate() + 1)
  return next.toISOString().slice(0, 10)
}
