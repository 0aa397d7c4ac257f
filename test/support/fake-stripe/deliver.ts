import Stripe from 'stripe'
import type { StripeEvent } from './state.ts'

/** How events reach the webhook's endpoint. */
export interface Deliveries {
  /** Where to, once it is known. Without one, or while `held`, events wait. */
  endpoint: string | null
  held: boolean
  /** How often each is delivered, and in which order those of one moment are. */
  copies: number
  add(event: StripeEvent): void
  /** Events that were not delivered yet, oldest first. */
  readonly waiting: readonly StripeEvent[]
  /** Delivers one event now, signed as Stripe signs, and answers the status. */
  send(
    event: StripeEvent,
    options?: { secret?: string; timestamp?: number; signature?: string },
  ): Promise<number>
  /** All that waits, in this order if one is given. */
  release(order?: (events: StripeEvent[]) => StripeEvent[]): Promise<void>
  /** Never delivered: as if the endpoint had been down for days. */
  drop(): void
  /** Resolves when nothing is on its way. */
  idle(): Promise<void>
}

/** What Stripe puts into the header of a delivery. */
export function signatureOf(payload: string, secret: string): string {
  return Stripe.webhooks.generateTestHeaderString({ payload, secret })
}

const attemptsMax = 5
const pauseMilliseconds = 100

export function createDeliveries(secret: string): Deliveries {
  const waiting: StripeEvent[] = []
  const underWay = new Set<Promise<unknown>>()

  const track = (work: Promise<unknown>): void => {
    const tracked = work.catch(() => undefined).finally(() => underWay.delete(tracked))
    underWay.add(tracked)
  }

  const deliver = async (event: StripeEvent): Promise<void> => {
    for (let attempt = 1; attempt <= attemptsMax; attempt += 1) {
      const status = await deliveries.send(event).catch(() => 0)
      if (status >= 200 && status < 300) return
      await new Promise((done) => setTimeout(done, pauseMilliseconds * attempt).unref())
    }
  }

  const deliveries: Deliveries = {
    endpoint: null,
    held: false,
    copies: 1,
    waiting,
    add: (event) => {
      if (deliveries.endpoint === null || deliveries.held) {
        waiting.push(event)
        return
      }
      for (let copy = 0; copy < deliveries.copies; copy += 1) track(deliver(event))
    },
    send: async (event, options = {}) => {
      const body = JSON.stringify(event)
      const signature =
        options.signature ??
        Stripe.webhooks.generateTestHeaderString({
          payload: body,
          secret: options.secret ?? secret,
          ...(options.timestamp ? { timestamp: options.timestamp } : {}),
        })
      const response = await fetch(deliveries.endpoint as string, {
        method: 'POST',
        headers: { 'content-type': 'application/json; charset=utf-8', 'stripe-signature': signature },
        body,
      })
      await response.arrayBuffer()
      return response.status
    },
    release: async (order = (events) => events) => {
      for (const event of order(waiting.splice(0))) await deliver(event)
    },
    drop: () => {
      waiting.length = 0
    },
    idle: async () => {
      while (underWay.size > 0) await Promise.all(underWay)
    },
  }
  return deliveries
}
