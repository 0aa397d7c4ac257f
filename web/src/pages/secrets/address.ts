import type { SecretScope } from '../../api/types.ts'

export interface SecretPlace {
  scope: SecretScope
  organizationId: string
  instanceId: string
}

/** Where a secret is set and removed: its organization's or its instance's list. */
export function secretAddress({ scope, organizationId, instanceId }: SecretPlace, name: string): string {
  const encoded = encodeURIComponent(name)
  return scope === 'organization'
    ? `/api/orgs/${organizationId}/secrets/${encoded}`
    : `/api/instances/${instanceId}/secrets/${encoded}`
}
