import { type QueryClient, queryOptions } from '@tanstack/react-query'
import { call } from '../../api/client.ts'
import type { Secret, SecretEvent } from '../../api/types.ts'

export const secretsQuery = (instanceId: string) =>
  queryOptions({
    queryKey: ['secrets', instanceId],
    queryFn: async () =>
      (await call<{ secrets: Secret[] }>('GET', `/api/instances/${instanceId}/secrets`)).secrets,
    // When one was last used changes by itself.
    refetchInterval: 15_000,
  })

export const secretEventsQuery = (instanceId: string) =>
  queryOptions({
    queryKey: ['secret-events', instanceId],
    queryFn: async () =>
      (await call<{ events: SecretEvent[] }>('GET', `/api/instances/${instanceId}/secrets/audit`)).events,
    refetchInterval: 15_000,
  })

export async function refreshSecrets(client: QueryClient, instanceId: string): Promise<void> {
  await Promise.all([
    client.invalidateQueries({ queryKey: secretsQuery(instanceId).queryKey }),
    client.invalidateQueries({ queryKey: secretEventsQuery(instanceId).queryKey }),
  ])
}
