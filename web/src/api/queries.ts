import { queryOptions } from '@tanstack/react-query'
import { call, callPublic } from './client.ts'
import { isNotFound } from './errors.ts'
import { currentOrganizationId, rememberOrganization } from './organization.ts'
import type { ApiKey, Info, Instance, InstanceStatus, Invitation, Me, Member, Sample } from './types.ts'

/** While something changes, ask this often in case the realtime connection misses it. */
const changingPollMs = 3_000
const settledPollMs = 30_000
const changing: InstanceStatus[] = ['provisioning', 'stopping', 'deleting']

export const infoQuery = queryOptions({
  queryKey: ['info'],
  queryFn: () => callPublic<Info>('/api/info'),
  staleTime: Number.POSITIVE_INFINITY,
})

export const meQuery = queryOptions({
  queryKey: ['me'],
  queryFn: fetchMe,
  refetchInterval: (query) => {
    const status = query.state.data?.instance?.status
    return status && changing.includes(status) ? changingPollMs : settledPollMs
  },
})

async function fetchMe(): Promise<Me> {
  try {
    return await call<Me>('GET', '/api/me')
  } catch (error) {
    // Removed from the organization that this browser remembers: go on in the personal one.
    if (!isNotFound(error) || !currentOrganizationId()) throw error
    rememberOrganization(undefined)
    return call<Me>('GET', '/api/me')
  }
}

export const samplesQuery = (instanceId: string, minutes: number) =>
  queryOptions({
    queryKey: ['samples', instanceId, minutes],
    queryFn: async () =>
      (await call<{ samples: Sample[] }>('GET', `/api/instances/${instanceId}/samples?minutes=${minutes}`))
        .samples,
    refetchInterval: 10_000,
    placeholderData: (previous) => previous,
  })

/** All that the caller can see: an owner or admin those of everybody. */
export const instancesQuery = queryOptions({
  queryKey: ['instances'],
  queryFn: async () => (await call<{ instances: Instance[] }>('GET', '/api/instances')).instances,
})

export const apiKeysQuery = queryOptions({
  queryKey: ['api-keys'],
  queryFn: async () => (await call<{ apiKeys: ApiKey[] }>('GET', '/api/api-keys')).apiKeys,
})

export const membersQuery = (organizationId: string) =>
  queryOptions({
    queryKey: ['members', organizationId],
    queryFn: async () =>
      (await call<{ members: Member[] }>('GET', `/api/orgs/${organizationId}/members`)).members,
  })

export const invitationsQuery = (organizationId: string) =>
  queryOptions({
    queryKey: ['invitations', organizationId],
    queryFn: async () =>
      (await call<{ invitations: Invitation[] }>('GET', `/api/orgs/${organizationId}/invitations`))
        .invitations,
  })
