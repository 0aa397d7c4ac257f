/** Every failed call to Reef ends up as one of these: what the server said, or what kept us from hearing it. */
export class ApiError extends Error {
  override readonly name = 'ApiError'
  /** HTTP status; 0 when no answer came. */
  readonly status: number
  /** From the server's catalogue, or `network` and `unreadable` for what only a browser meets. */
  readonly code: string
  /** Dotted path of the offending field of the input, where there is one. */
  readonly field: string | undefined
  readonly retryAfterSeconds: number | undefined

  constructor(details: {
    status: number
    code: string
    message: string
    field?: string | undefined
    retryAfterSeconds?: number | undefined
    cause?: unknown
  }) {
    super(details.message, { cause: details.cause })
    this.status = details.status
    this.code = details.code
    this.field = details.field
    this.retryAfterSeconds = details.retryAfterSeconds
  }
}

/** The one error translator: reads Reef's error shape and copes with answers of proxies in between. */
export async function errorFromResponse(response: Response): Promise<ApiError> {
  const retryAfter = Number(response.headers.get('retry-after') ?? Number.NaN)
  const retryAfterSeconds = Number.isFinite(retryAfter) ? retryAfter : undefined
  const body: unknown = await response.json().catch(() => undefined)
  const error = isErrorBody(body) ? body.error : undefined
  return new ApiError({
    status: response.status,
    code: error?.code ?? 'unreadable',
    message: error?.message ?? fallbackMessage(response.status),
    field: error?.field,
    retryAfterSeconds,
  })
}

export function networkError(cause: unknown): ApiError {
  return new ApiError({
    status: 0,
    code: 'network',
    message: 'Reef does not answer. Check your connection and that Reef is running, then try again.',
    cause,
  })
}

/** What to show a person for anything that was thrown. */
export function messageOf(error: unknown): string {
  if (error instanceof ApiError) {
    const seconds = error.retryAfterSeconds
    return seconds && error.status === 429 ? `${error.message} (in ${waitText(seconds)})` : error.message
  }
  return 'The dashboard met something unexpected. Reload the page; if it stays, report it.'
}

/** The message for one field of a form: the server says which field it refused. */
export function fieldMessage(error: unknown, field: string): string | undefined {
  if (!(error instanceof ApiError) || error.field !== field) return undefined
  // The server prefixes the field's name, which stands right above the message here.
  const text = error.message.replace(new RegExp(`^${field}: `), '')
  return text.charAt(0).toUpperCase() + text.slice(1)
}

export function isNotFound(error: unknown): boolean {
  return error instanceof ApiError && error.status === 404
}

/** A second try may help: nothing was answered, or the server says that it is not ready. */
export function isTransient(error: unknown): boolean {
  return error instanceof ApiError && (error.status === 0 || error.status >= 502)
}

export function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'AbortError'
}

function isErrorBody(body: unknown): body is { error: { code: string; message: string; field?: string } } {
  if (typeof body !== 'object' || body === null || !('error' in body)) return false
  const error = body.error
  return (
    typeof error === 'object' &&
    error !== null &&
    'message' in error &&
    typeof error.message === 'string' &&
    'code' in error &&
    typeof error.code === 'string'
  )
}

function fallbackMessage(status: number): string {
  if (status >= 500) return `Reef could not answer (status ${status}). Try again in a moment.`
  return `Reef refused this (status ${status}) without saying why. Reload the page and try again.`
}

function waitText(seconds: number): string {
  return seconds < 90 ? `${Math.ceil(seconds)} s` : `${Math.ceil(seconds / 60)} min`
}
