const storageKey = 'reef.invitation'

/**
 * The token of the invitation being accepted. It comes after the # of the link (or as ?token=) and is kept for this tab,
 * so that the way through sign-up and back does not carry it in an address.
 */
export function invitationToken(location: { hash: string; search: { token?: string } }): string | undefined {
  const given = location.hash.replace(/^#/, '') || location.search.token
  if (given) sessionStorage.setItem(storageKey, given)
  return given ?? sessionStorage.getItem(storageKey) ?? undefined
}

export function forgetInvitation(): void {
  sessionStorage.removeItem(storageKey)
}
