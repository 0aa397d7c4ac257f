/**
 * The error catalogue. The domain throws a `ReefError` of a kind from here and never knows an HTTP status;
 * `src/http/errors.ts` maps kinds to statuses. Every message says what the person can do next.
 */
export const errorKinds = {
  invalid: 'The request is not well formed.',
  unauthenticated: 'No valid credential came with the request.',
  notFound: 'It does not exist, or it is not yours: outsiders cannot tell which.',
  conflict: 'The current state does not allow it.',
  rateLimited: 'Too many requests.',
  paymentRequired: 'The credits do not suffice.',
  tooLarge: 'The body is larger than this route takes.',
  unavailable: 'It cannot be done right now; trying again later may work.',
  upstream: 'Something behind Reef failed.',
  internal: 'A bug in Reef.',
} as const

export type ErrorKind = keyof typeof errorKinds

export interface ReefErrorDetails {
  /** Stable machine-readable code, snake_case, for example `instance_not_found`. */
  code: string
  /** What the caller is told: what is wrong and what to do next. Never holds a secret or another tenant's data. */
  message: string
  /** The offending field of the input, where there is one, as a dotted path. */
  field?: string
  /** Seconds after which a retry makes sense; becomes `Retry-After`. */
  retryAfterSeconds?: number
  /** For the log only. */
  internal?: string
  cause?: unknown
}

export class ReefError extends Error {
  override readonly name = 'ReefError'
  readonly kind: ErrorKind
  readonly code: string
  readonly field: string | undefined
  readonly retryAfterSeconds: number | undefined
  readonly internal: string | undefined

  constructor(kind: ErrorKind, details: ReefErrorDetails) {
    super(details.message, { cause: details.cause })
    this.kind = kind
    this.code = details.code
    this.field = details.field
    this.retryAfterSeconds = details.retryAfterSeconds
    this.internal = details.internal
  }
}

/** The one answer for what is missing and for what is forbidden; identical whatever was asked for. */
export function notFound(internal?: string): ReefError {
  return new ReefError('notFound', {
    code: 'not_found',
    message: 'There is nothing here that you can see. Check the address, or ask for access.',
    ...(internal ? { internal } : {}),
  })
}

export function invalid(field: string, message: string): ReefError {
  return new ReefError('invalid', { code: 'invalid_input', message, field })
}

export function conflict(code: string, message: string): ReefError {
  return new ReefError('conflict', { code, message })
}

export function unauthenticated(code: string, message: string): ReefError {
  return new ReefError('unauthenticated', { code, message })
}

export function unavailable(code: string, message: string, retryAfterSeconds?: number): ReefError {
  return new ReefError('unavailable', { code, message, ...(retryAfterSeconds ? { retryAfterSeconds } : {}) })
}

/** For `never` branches: an impossible state fails the request that met it, not the process. */
export function impossible(value: never): never {
  throw new ReefError('internal', {
    code: 'impossible_state',
    message: 'Reef met a state that it believed impossible. Please report it.',
    internal: `impossible value: ${JSON.stringify(value)}`,
  })
}
