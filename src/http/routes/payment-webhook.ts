import type { FastifyRequest } from 'fastify'
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
/** Deliveries of one address that nobody signed, before each is only told to wait. */
const refusedPerMinuteMax = 60

/** Where Stripe delivers events: no caller to authenticate but a signature over exactly the bytes that came. */
export async function registerPaymentWebhook(
  app: Server,
  { selling, clock }: PaymentWebhookDeps,
): Promise<void> {
  const refused = new RateLimiterMemory({ points: refusedPerMinuteMax, duration: 60 })

  /** What is signed is never turned away, whoever else calls from its address. */
  const readEvent = async (payments: Pick<Payments, 'readEvent'>, request: FastifyRequest) => {
    const { 'stripe-signature': signature } = request.headers
    const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0)
    try {
      return payments.readEvent(body, typeof signature === 'string' ? signature : undefined, clock.now())
    } catch (error) {
      const { consumedPoints, msBeforeNext } = await refused.penalty(request.ip)
      throw consumedPoints > refusedPerMinuteMax ? tooManyRefused(msBeforeNext) : error
    }
  }

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
        const event = await readEvent(selling.payments, request)
        // Acknowledged once it is stored: nothing that comes after can lose it.
        if (selling.payments.isHandled(event.type) && (await selling.events.store(event, 'webhook')))
          selling.worker.kick()
        return { received: true }
      },
    )
  })
}

function tooManyRefused(milliseconds: number): ReefError {
  const retryAfterSeconds = Math.max(1, Math.ceil(milliseconds / 1000))
  return new ReefError('rateLimited', {
    code: 'rate_limited',
    message: `Too many deliveries without a valid signature. Try again in ${retryAfterSeconds} seconds.`,
    retryAfterSeconds,
  })
}
