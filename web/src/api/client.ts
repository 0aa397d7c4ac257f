import { accessToken, replaceToken } from './auth.ts'
import { ApiError, errorFromResponse, isAbort, networkError } from './errors.ts'
import { currentOrganizationId, organizationHeader } from './organization.ts'

type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

export interface RequestOptions {
  body?: unknown
  signal?: AbortSignal | undefined
  accept?: string
}

/** The one way in which the dashboard calls Reef: token, organization, one silent refresh on 401, errors translated. */
export async function request(method: Method, url: string, options: RequestOptions = {}): Promise<Response> {
  const token = await accessToken()
  if (!token) throw sessionEnded()
  const first = await send(method, url, token, options)
  if (first.ok) return first
  if (first.status !== 401) throw await errorFromResponse(first)
  const renewed = await replaceToken(token)
  if (!renewed) throw sessionEnded()
  const second = await send(method, url, renewed, options)
  if (!second.ok) throw await errorFromResponse(second)
  return second
}

/** `request` for answers in JSON. */
export async function call<T>(method: Method, url: string, options: RequestOptions = {}): Promise<T> {
  const response = await request(method, url, options)
  return (await response.json().catch(() => ({}))) as T
}

/** For what needs nobody to be signed in. */
export async function callPublic<T>(url: string): Promise<T> {
  const response = await fetch(url).catch((cause) => {
    throw networkError(cause)
  })
  if (!response.ok) throw await errorFromResponse(response)
  return (await response.json()) as T
}

/** `callPublic` for what a link in a mail does, on whatever device it is opened. */
export async function postPublic(url: string, body: object): Promise<void> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  }).catch((cause) => {
    throw networkError(cause)
  })
  if (!response.ok) throw await errorFromResponse(response)
}

async function send(method: Method, url: string, token: string, options: RequestOptions): Promise<Response> {
  const organizationId = currentOrganizationId()
  try {
    return await fetch(url, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        accept: options.accept ?? 'application/json',
        ...(organizationId ? { [organizationHeader]: organizationId } : {}),
        ...(options.body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(options.body === undefined ? {} : { body: JSON.stringify(options.body) }),
      ...(options.signal ? { signal: options.signal } : {}),
    })
  } catch (cause) {
    throw isAbort(cause) ? cause : networkError(cause)
  }
}

function sessionEnded(): ApiError {
  return new ApiError({
    status: 401,
    code: 'session_ended',
    message: 'Your session has ended. Log in again.',
  })
}
