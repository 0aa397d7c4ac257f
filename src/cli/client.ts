import { z } from 'zod'
import { errorBodySchema } from '../http/errors.ts'
import { tokensSchema } from '../http/schemas/accounts.ts'
import { organizationHeader } from '../http/schemas/common.ts'
import { infoSchema } from '../http/schemas/instances.ts'
import type { CredentialStore, Credentials } from './credentials.ts'
import { CliError } from './failure.ts'

export interface Request<S extends z.ZodType> {
  method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  body?: unknown
  /** What the answer must look like. */
  answer: S
}

/** Reef's public API as one person or one API key. Every method throws CliErrors that say what to do. */
export interface ReefClient {
  readonly url: string
  call<S extends z.ZodType>(path: string, request: Request<S>): Promise<z.infer<S>>
  /** A response of the proxy to read piece by piece; errors are thrown as everywhere. */
  stream(path: string, init: { method?: string; body?: unknown; signal?: AbortSignal }): Promise<Response>
  /** A response of the API that is no JSON. */
  download(path: string): Promise<Response>
  /** The proxy's counterpart of `call`. */
  callProxy<S extends z.ZodType>(path: string, request: Request<S>): Promise<z.infer<S>>
  /** The bearer credential as it is now, for the realtime WebSocket. */
  bearer(): Promise<string>
  /** The organization acted in, if one was named. */
  organizationId(): Promise<string | undefined>
}

export interface ClientOptions {
  url: string
  /** An API key; without it the stored log-in is used. */
  apiKey?: string | undefined
  store: CredentialStore
  /** Id or slug. */
  organization?: string | undefined
}

/** An access token that is about to expire is not worth sending. */
const expiryMarginMilliseconds = 30_000

export function createClient(options: ClientOptions): ReefClient {
  const { url, apiKey, store } = options
  const bearer = async (): Promise<string> => apiKey ?? (await freshCredentials(store, url)).accessToken
  const organizationId = once(async () => {
    if (!options.organization || isUuid(options.organization)) return options.organization
    const { organizations } = await send(
      url,
      '/api/orgs',
      { answer: organizationsSchema },
      await headers(false),
    )
    const found = organizations.find((organization) => organization.slug === options.organization)
    if (!found)
      throw new CliError('notFound', `You are in no organization ${options.organization}. See: reef whoami`)
    return found.id
  })
  const headers = async (withOrganization = true): Promise<Record<string, string>> => {
    const id = withOrganization ? await organizationId() : undefined
    return { authorization: `Bearer ${await bearer()}`, ...(id ? { [organizationHeader]: id } : {}) }
  }
  const proxyUrl = once(async () => (await send(url, '/api/info', { answer: infoSchema })).proxyUrl)
  // Reef answers a key that lacks a scope as if nothing were there; whoever holds the key should know of both reasons.
  const explained = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work()
    } catch (error) {
      if (!apiKey || !(error instanceof CliError) || error.code !== 'not_found') throw error
      throw new CliError('notFound', `${error.message} Or the API key lacks a scope; see: reef keys list`, {
        code: error.code,
        cause: error,
      })
    }
  }
  return {
    url,
    bearer,
    organizationId,
    call: (path, request) => explained(async () => send(url, path, request, await headers())),
    download: (path) => explained(async () => request(url, path, {}, await headers())),
    callProxy: (path, request) =>
      explained(async () => send(await proxyUrl(), path, request, await headers())),
    stream: (path, init) => explained(async () => request(await proxyUrl(), path, init, await headers())),
  }
}

const organizationsSchema = z.object({
  organizations: z.array(z.object({ id: z.string(), slug: z.string() })),
})

/** Logs in or signs up; both answer with tokens. */
export async function obtainTokens(
  url: string,
  path: '/api/auth/log-in' | '/api/auth/sign-up',
  body: unknown,
): Promise<Credentials> {
  return toCredentials(url, await send(url, path, { method: 'POST', body, answer: tokensSchema }))
}

/** Credentials whose access token is still good, refreshed if need be while no other command refreshes. */
async function freshCredentials(store: CredentialStore, url: string): Promise<Credentials> {
  const present = await store.find()
  if (present?.url === url && isFresh(present)) return present
  let refusal: CliError | undefined
  const fresh = await store.update(async (latest) => {
    if (latest?.url !== url) {
      refusal = new CliError(
        'notLoggedIn',
        `You are not logged in at ${url}. Log in: reef login --url ${url}`,
      )
      return latest
    }
    // Another command may have refreshed while this one waited for the lock.
    if (isFresh(latest)) return latest
    try {
      const body = { refreshToken: latest.refreshToken }
      return toCredentials(
        url,
        await send(url, '/api/auth/refresh', { method: 'POST', body, answer: tokensSchema }),
      )
    } catch (error) {
      if (!(error instanceof CliError) || error.reason !== 'notLoggedIn') throw error
      refusal = new CliError('notLoggedIn', 'Your log-in has ended. Log in again: reef login', {
        cause: error,
      })
      return undefined
    }
  })
  if (refusal) throw refusal
  return fresh as Credentials // Without a refusal, `change` returned credentials.
}

function isFresh(credentials: Credentials): boolean {
  return Date.parse(credentials.accessTokenExpiresAt) - expiryMarginMilliseconds > Date.now()
}

function toCredentials(url: string, tokens: z.infer<typeof tokensSchema>): Credentials {
  return {
    url,
    email: tokens.user.email,
    refreshToken: tokens.refreshToken,
    accessToken: tokens.accessToken,
    accessTokenExpiresAt: new Date(Date.now() + tokens.expiresInSeconds * 1000).toISOString(),
  }
}

/** One request with a JSON answer. For those that need no credential; all others go through a ReefClient. */
export async function send<S extends z.ZodType>(
  base: string,
  path: string,
  { answer, ...init }: Request<S>,
  headers: Record<string, string> = {},
): Promise<z.infer<S>> {
  const response = await request(base, path, init, headers)
  const body: unknown = await response.json().catch(() => undefined)
  const parsed = answer.safeParse(body)
  if (!parsed.success)
    throw new CliError(
      'failed',
      `${base} gave an answer to ${path} that this version does not understand. Is it a Reef of the same version?`,
      { cause: parsed.error },
    )
  return parsed.data
}

async function request(
  base: string,
  path: string,
  init: { method?: string; body?: unknown; signal?: AbortSignal },
  headers: Record<string, string>,
): Promise<Response> {
  const hasBody = init.body !== undefined
  let response: Response
  try {
    response = await fetch(new URL(path, base), {
      method: init.method ?? 'GET',
      headers: { ...headers, ...(hasBody ? { 'content-type': 'application/json' } : {}) },
      body: hasBody ? JSON.stringify(init.body) : null,
      signal: init.signal ?? null,
    })
  } catch (error) {
    if (init.signal?.aborted) throw error
    throw new CliError(
      'unreachable',
      `Reef at ${base} does not answer (${causeOf(error)}). Start it with \`reef up\`, or name another with --url or REEF_URL.`,
      { cause: error },
    )
  }
  if (!response.ok) throw await toCliError(response, base)
  return response
}

async function toCliError(response: Response, base: string): Promise<CliError> {
  const text = await response.text()
  const parsed = errorBodySchema.safeParse(parseJson(text))
  if (!parsed.success)
    return new CliError(
      'failed',
      `${base} answered ${response.status}. Is it a Reef? Name another with --url.`,
      { status: response.status },
    )
  const { code, message, field } = parsed.data.error
  const reason = response.status === 401 ? 'notLoggedIn' : response.status === 404 ? 'notFound' : 'failed'
  const alreadyNamed = field === undefined || message.startsWith(field)
  return new CliError(reason, alreadyNamed ? message : `${field}: ${message}`, {
    code,
    status: response.status,
  })
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function causeOf(error: unknown): string {
  const cause = (error as { cause?: NodeJS.ErrnoException }).cause
  return cause?.code ?? cause?.message ?? (error as Error).message
}

function isUuid(text: string): boolean {
  return z.uuid().safeParse(text).success
}

function once<T>(work: () => Promise<T>): () => Promise<T> {
  let result: Promise<T> | undefined
  return () => {
    result ??= work()
    return result
  }
}
