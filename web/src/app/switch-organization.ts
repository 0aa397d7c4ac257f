import { realtime } from '../api/live.ts'
import { rememberOrganization } from '../api/organization.ts'
import { infoQuery, meQuery } from '../api/queries.ts'
import { queryClient } from '../api/query-client.ts'
import type { Organization } from '../api/types.ts'

/** From here on every request acts in that organization; nothing of the former one may stay on the screen. */
export async function switchOrganization(organization: Organization | undefined): Promise<void> {
  rememberOrganization(organization)
  realtime.reconnectNow()
  queryClient.removeQueries({
    predicate: (query) =>
      query.queryKey[0] !== infoQuery.queryKey[0] && query.queryKey[0] !== meQuery.queryKey[0],
  })
  await queryClient.fetchQuery({ ...meQuery, staleTime: 0 })
}
