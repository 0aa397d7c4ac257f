import { queryOptions } from '@tanstack/react-query'
import { call } from '../../api/client.ts'
import type { Operator, Overview, PriceVersions } from '../../api/types.ts'

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
