import { statusOfKind, toReefError } from '../http/errors.ts'

/** A request that the proxy answers itself, with a status that HTTP prescribes and the error catalogue has no kind for. */
export class Refusal extends Error {
  override readonly name = 'Refusal'
  readonly status: number
  readonly code: string
  readonly retryAfterSeconds: number | undefined

  constructor(status: number, code: string, message: string, retryAfterSeconds?: number) {
    super(message)
    this.status = status
    this.code = code
    this.retryAfterSeconds = retryAfterSeconds
  }
}

/** Whatever was thrown, as an answer. What nobody foresaw says nothing of itself. */
export function toRefusal(error: unknown): Refusal {
  if (error instanceof Refusal) return error
  const known = toReefError(error)
  return new Refusal(statusOfKind[known.kind], known.code, known.message, known.retryAfterSeconds)
}
