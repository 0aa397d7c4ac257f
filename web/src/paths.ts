/** The one place that knows the addresses of pages: spread into <Link> or pass to navigate. */
export const paths = {
  start: () => ({ to: '/' }) as const,
  logIn: (returnTo?: string) => ({ to: '/log-in', search: returnTo ? { return: returnTo } : {} }) as const,
  signUp: (returnTo?: string) => ({ to: '/sign-up', search: returnTo ? { return: returnTo } : {} }) as const,
  chat: () => ({ to: '/chat' }) as const,
  conversation: (conversationId: string) =>
    ({ to: '/chat/$conversationId', params: { conversationId } }) as const,
  instance: () => ({ to: '/instance' }) as const,
  backups: () => ({ to: '/instance/backups' }) as const,
  secrets: () => ({ to: '/instance/secrets' }) as const,
  egress: () => ({ to: '/instance/egress' }) as const,
  domains: () => ({ to: '/instance/domains' }) as const,
  credits: () => ({ to: '/credits' }) as const,
  usage: () => ({ to: '/credits/usage' }) as const,
  budgets: () => ({ to: '/credits/budgets' }) as const,
  statement: () => ({ to: '/credits/statement' }) as const,
  prices: () => ({ to: '/credits/prices' }) as const,
  admin: () => ({ to: '/admin' }) as const,
  apiKeys: () => ({ to: '/settings/api-keys' }) as const,
  members: () => ({ to: '/settings/members' }) as const,
  organization: () => ({ to: '/settings/organization' }) as const,
}

/** A path of this dashboard from an address bar, or undefined: nobody may be sent elsewhere after logging in. */
export function safeReturnPath(value: unknown): string | undefined {
  return typeof value === 'string' && /^\/(?![/\\])/.test(value) ? value : undefined
}
