import Stripe from 'stripe'
import { conflict, ReefError } from '../../errors.ts'

/** Calls Stripe; its errors become ours, with its own words in the log only. */
export async function calling<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call()
  } catch (error) {
    throw error instanceof Stripe.errors.StripeError ? toReefError(error) : error
  }
}

function toReefError(error: InstanceType<typeof Stripe.errors.StripeError>): ReefError {
  const { errors } = Stripe
  const details = { internal: `Stripe: ${error.type} ${error.code ?? ''} ${error.message}`, cause: error }
  if (error instanceof errors.StripeAuthenticationError || error instanceof errors.StripePermissionError)
    return new ReefError('unavailable', {
      code: 'payments_misconfigured',
      message: 'Stripe refuses the key of this Reef. Tell its operator; nothing was charged.',
      ...details,
    })
  if (isMissing(error, 'customer'))
    return new ReefError('conflict', {
      code: 'payment_customer_gone',
      message: 'Stripe no longer knows this customer. Try again.',
      ...details,
    })
  if (isMissing(error, 'payment_method'))
    return new ReefError('conflict', {
      code: 'payment_method_missing',
      message: 'The saved card is no longer there. Add one under “Cards and invoices”.',
      ...details,
    })
  if (isRefusal(error))
    return new ReefError('upstream', {
      code: 'payment_refused',
      message: 'Stripe refused this. Nothing was charged. Ask the operator if it happens again.',
      ...details,
    })
  return new ReefError('unavailable', {
    code: 'payments_unavailable',
    message: 'Stripe does not answer at the moment. Try again in a minute.',
    retryAfterSeconds: 60,
    ...details,
  })
}

/**
 * A definite no: the same request would be refused again. An idempotency key in use is none, since the request that
 * uses it may succeed.
 */
function isRefusal(error: InstanceType<typeof Stripe.errors.StripeError>): boolean {
  const { errors } = Stripe
  if (error instanceof errors.StripeIdempotencyError) return error.statusCode !== 409
  return error instanceof errors.StripeCardError || error instanceof errors.StripeInvalidRequestError
}

function isMissing(error: unknown, param: string): boolean {
  return (
    error instanceof Stripe.errors.StripeInvalidRequestError &&
    error.code === 'resource_missing' &&
    error.param === param
  )
}

/** Why a webhook's delivery is not believed. */
export function forged(cause: unknown): ReefError {
  return new ReefError('invalid', {
    code: 'invalid_signature',
    message:
      'The Stripe-Signature header does not fit this body, or is older than 300 seconds. Only Stripe may call here.',
    cause,
  })
}

export function webhookOff(): ReefError {
  return conflict(
    'webhook_off',
    'This Reef has no STRIPE_WEBHOOK_SECRET, so it cannot tell who calls. Its operator has to set it.',
  )
}
