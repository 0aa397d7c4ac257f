import { ApiError, errorFromResponse, networkError } from './errors.ts'
import { rememberOrganization } from './organization.ts'
import type { Tokens, User } from './types.ts'

/**
 * Who is signed in. The access token lives in this module only; the refresh token is in an HttpOnly cookie that no
 * script can read. A refresh token is good once and its reuse ends the session, so refreshing is single-flight within
 * a tab and, with a Web Lock, across tabs: the next tab's request carries the cookie that the previous one was given.
 * A page that is left while it refreshes never sees its answer; the next one repeats the same attempt.
 */
interface SignedIn {
  user: User
  accessToken: string
  expiresAtMs: number
}

/** Refresh this long before the token ends, so that a request under way never outlives it. */
const marginMs = 30_000

let current: SignedIn | undefined
let refreshing: Promise<SignedIn | undefined> | undefined
/** Reef has said that nobody is signed in here: asking again is of no use until somebody does. */
let knownSignedOut = false
const listeners = new Set<() => void>()
const otherTabs = new BroadcastChannel('reef-auth')

otherTabs.onmessage = (message: MessageEvent<{ userId: string | null }>) => {
  // Another tab signed out, or in as somebody else: this one must not go on as it was.
  if (message.data.userId !== (current?.user.id ?? null)) location.reload()
}

export function signedInUser(): User | undefined {
  return current?.user
}

export function onAuthChange(listener: () => void): () => void {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

export async function signUp(body: { email: string; password: string; name: string }): Promise<User> {
  return enter('/api/auth/sign-up', body)
}

export async function logIn(body: { email: string; password: string }): Promise<User> {
  return enter('/api/auth/log-in', body)
}

export async function logOut(): Promise<void> {
  // Signing out here must not wait for a server that is down; the cookie then dies with its family at the next use.
  await post('/api/auth/log-out', {}).catch(() => undefined)
  rememberOrganization(undefined)
  accept(undefined)
  otherTabs.postMessage({ userId: null })
}

/** A token that is good for the next request, or undefined when nobody is signed in (any more). */
export async function accessToken(): Promise<string | undefined> {
  if (current && Date.now() < current.expiresAtMs - marginMs) return current.accessToken
  return (await refresh())?.accessToken
}

/** After a 401: gets a new token unless another caller already replaced the refused one. */
export async function replaceToken(refused: string): Promise<string | undefined> {
  if (current && current.accessToken !== refused) return current.accessToken
  return (await refresh())?.accessToken
}

/** Restores the session at load. Throws only when Reef does not answer; "nobody" is a normal result. */
export async function restoreSession(): Promise<User | undefined> {
  return (current ?? (await refresh()))?.user
}

async function refresh(): Promise<SignedIn | undefined> {
  if (knownSignedOut) return undefined
  refreshing ??= withLock(requestRefresh).finally(() => {
    refreshing = undefined
  })
  return refreshing
}

async function requestRefresh(): Promise<SignedIn | undefined> {
  try {
    const tokens = await post('/api/auth/refresh', { attempt: currentAttempt() })
    localStorage.removeItem(attemptKey)
    return accept(tokens)
  } catch (error) {
    if (error instanceof ApiError && (error.status === 400 || error.status === 401)) {
      localStorage.removeItem(attemptKey)
      return accept(undefined)
    }
    throw error
  }
}

const attemptKey = 'reef-refresh-attempt'

/** Kept until it is answered. */
function currentAttempt(): string {
  const attempt = localStorage.getItem(attemptKey) ?? crypto.getRandomValues(new Uint32Array(8)).join('-')
  localStorage.setItem(attemptKey, attempt)
  return attempt
}

/** Web Locks exist in secure contexts only (https or localhost); elsewhere the single flight of this tab must do. */
function withLock<T>(work: () => Promise<T>): Promise<T> {
  return navigator.locks ? navigator.locks.request('reef-refresh', work) : work()
}

async function enter(path: string, body: object): Promise<User> {
  const tokens = await post(path, body)
  rememberOrganization(undefined)
  accept(tokens)
  otherTabs.postMessage({ userId: tokens.user.id })
  return tokens.user
}

function accept(tokens: Tokens | undefined): SignedIn | undefined {
  const before = current?.user.id
  knownSignedOut = tokens === undefined
  current = tokens && {
    user: tokens.user,
    accessToken: tokens.accessToken,
    expiresAtMs: Date.now() + tokens.expiresInSeconds * 1000,
  }
  if (before !== current?.user.id) for (const listener of listeners) listener()
  return current
}

async function post(path: string, body: object): Promise<Tokens> {
  const response = await fetch(path, {
    method: 'POST',
    credentials: 'same-origin',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  }).catch((cause) => {
    throw networkError(cause)
  })
  if (!response.ok) throw await errorFromResponse(response)
  return (await response.json()) as Tokens
}
