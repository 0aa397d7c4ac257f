import { Refusal } from './refusal.ts'
import { header, type RequestHead } from './request-head.ts'

/**
 * Refuses what a page of another origin makes a visitor's browser do. SameSite cookies do not: instances are
 * neighbours under one domain, so the browser counts them as one site.
 */
export function checkSameOrigin(method: string | undefined, head: RequestHead, ownOrigin: string): void {
  const origin = header(head, 'origin')
  const isRead = method === 'GET' || method === 'HEAD'
  if (origin !== undefined && origin !== ownOrigin && !isRead) throw foreign()
  const site = header(head, 'sec-fetch-site')
  if (site !== 'cross-site' && site !== 'same-site') return
  // Following a link to an instance is what people do; everything else is a script or an embedded resource.
  if (!isRead || header(head, 'sec-fetch-mode') !== 'navigate') throw foreign()
}

/** A WebSocket's handshake is exempt from the browser's same-origin rule, so it must name this very origin. */
export function checkWebSocketOrigin(head: RequestHead, ownOrigin: string): void {
  if (header(head, 'origin') !== ownOrigin) throw foreign()
}

function foreign(): Refusal {
  return new Refusal(403, 'origin_not_allowed', 'Pages of another origin may not call this address.')
}
