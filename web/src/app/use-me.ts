import { useSuspenseQuery } from '@tanstack/react-query'
import { meQuery } from '../api/queries.ts'
import type { Me } from '../api/types.ts'

/** For everything inside AppLayout, which renders nothing before this is known. */
export function useMe(): Me {
  return useSuspenseQuery(meQuery).data
}
