/** Posts to addresses that tenants name. Nothing private can be reached through it. */
export interface WebhookSender {
  /** Why nothing can ever be posted to this URL, in words for the person who named it; undefined when it may be tried. */
  refusalOf(url: string): string | undefined
  /**
   * Resolves when it was taken, with a 2xx. Rejects otherwise, with a message that may be shown to the organization.
   * Redirects are not followed.
   */
  post(request: { url: string; headers: Record<string, string>; body: string }): Promise<void>
}
