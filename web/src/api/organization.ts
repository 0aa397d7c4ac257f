const storageKey = 'reef.organization'

/** Name of the header in which a person says where they act; see src/http/server.ts. */
export const organizationHeader = 'reef-organization'

/** Id of the organization acted in; undefined means the personal one. Kept per browser, not per tab. */
export function currentOrganizationId(): string | undefined {
  return localStorage.getItem(storageKey) ?? undefined
}

export function rememberOrganization(organization: { id: string; personal: boolean } | undefined): void {
  if (organization && !organization.personal) localStorage.setItem(storageKey, organization.id)
  else localStorage.removeItem(storageKey)
}
