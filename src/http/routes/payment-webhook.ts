import { RateLimiterMemory } from 'rate-limiter-flexible'
import type { Clock } from '../../clock.ts'
import type { ProviderEvents } from '../../domain/payments/events.ts'
import type { Payments } from '../../domain/payments/payments.ts'
import type { PaymentWorker } from '../../domain/payments/worker.ts'
import { notFound, ReefError } from '../../errors.ts'
import type { Server } from '../server.ts'

export interface PaymentWebhookDeps {
  /** Null: nothing is sold here. */
  selling: {
    payments: Pick<Payments, 'readEvent' | 'isHandled'>
    events: Pick<ProviderEvents, 'store'>
    worker: Pick<PaymentWorker, 'kick'>
  } | null
  clock: Clock
}

/** Events carry one object each; the largest are some ten kilobytes. */
const bodyBytesMax = 512 * 1024
/** Deliveries of one address that nobody signed, before it is heard no more for the rest of the minute. */
const refusedPerMinuteMax = 60

/** Where Stripe delivers events: no caller to authenticate but a signature over exactly the bytes that came. */
export async function registerPaymentWebhook(
  app: Server,
  { selling, clock }: PaymentWebhookDeps,
): Promise<void> {
  const refused = new RateLimiterMemory({ points: refusedPerMinuteMax, duration: 60 })
  await app.register(async (scope: Server) => {
    scope.removeAllContentTypeParsers()
    scope.addContentTypeParser('*', { parseAs: 'buffer', bodyLimit: bodyBytesMax }, (_request, body, done) =>
      done(null, body),
    )
    scope.post(
      '/api/payments/stripe/webhook',
      { bodyLimit: bodyBytesMax, schema: { hide: true } },
      async (request) => {
        if (!selling) throw notFound('nothing is sold here')
        const tries = await refused.get(request.ip)
        if (tries !== null && tries.consumedPoints >= refusedPerMinuteMax)
          throw tooManyRefused(tries.msBeforeNext)
        const { 'stripe-signature': signature } = request.headers
        const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0)
        const event = await verify(() =>
          selling.payments.readEvent(
            body,
            typeof signature === 'string' ? signature : undefined,
            clock.now(),
          ),
        ).catch(async (error) => {
          await refused.penalty(request.ip)
          throw error
        })
        // Acknowledged once it is stored: nothing that comes after can lose it.
        if (selling.payments.isHandled(event.type) && (await selling.events.store(event, 'webhook')))
          selling.worker.kick()
        return { received: true }
      },
    )
  })
}

async function verify<T>(read: () => T): Promise<T> {
  return read()
}

function tooManyRefused(milliseconds: number): ReefError {
  const retryAfterSeconds = Math.max(1, Math.ceil(milliseconds / 1000))
  return new ReefError('rateLimited', {
    code: 'rate_limited',
    message: `Too many deliveries without a valid signature. Try again in ${retryAfterSeconds} seconds.`,
    retryAfterSeconds,
  })
}
