import type { Intent } from './state.ts'

/** An error as Stripe answers it. */
export class StripeFault extends Error {
  readonly status: number
  readonly body: Record<string, unknown>
  readonly headers: Record<string, string>

  constructor(status: number, error: Record<string, unknown>, headers: Record<string, string> = {}) {
    super(String(error.message))
    this.status = status
    this.body = { error }
    this.headers = headers
  }
}

export function missing(what: string, id: string, param: string): StripeFault {
  return new StripeFault(404, {
    code: 'resource_missing',
    doc_url: 'https://stripe.com/docs/error-codes/resource-missing',
    message: `No such ${what}: '${id}'`,
    param,
    type: 'invalid_request_error',
  })
}

export function invalidRequest(message: string, param?: string, code?: string): StripeFault {
  return new StripeFault(400, {
    ...(code ? { code } : {}),
    message,
    ...(param ? { param } : {}),
    type: 'invalid_request_error',
  })
}

export function declined(intent: Intent): StripeFault {
  const error = intent.last_payment_error ?? { code: 'card_declined', message: 'Your card was declined.' }
  return new StripeFault(402, { ...error, payment_intent: intent, type: 'card_error' })
}

export const unauthorized = (): StripeFault =>
  new StripeFault(401, { message: 'Invalid API Key provided: sk_test_****', type: 'invalid_request_error' })

export const rateLimited = (): StripeFault =>
  new StripeFault(429, {
    code: 'rate_limit',
    message:
      'Request rate limit exceeded. Learn more about rate limits here https://stripe.com/docs/rate-limits.',
    type: 'invalid_request_error',
  })

export const broken = (): StripeFault =>
  new StripeFault(500, {
    message: 'An unknown error occurred. You can contact support@stripe.com.',
    type: 'api_error',
  })

export const keyReused = (key: string): StripeFault =>
  new StripeFault(400, {
    message: `Keys for idempotent requests can only be used with the same parameters they were first used with. Try using a key other than '${key}' if you meant to execute a different request.`,
    type: 'idempotency_error',
  })

export const keyInUse = (key: string): StripeFault =>
  new StripeFault(409, {
    code: 'idempotency_key_in_use',
    message: `There is currently another in-progress request using this Idempotent Key '${key}'.`,
    type: 'idempotency_error',
  })
