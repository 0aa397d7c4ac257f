import type { Clock } from '../../clock.ts'
import type { Database, Trx } from '../../db/database.ts'
import { unavailable } from '../../errors.ts'
import { decide } from './decide.ts'
import { tellOfDisputes } from './dispute-alerts.ts'
import type { PaymentRecord, PaymentRow } from './payment.ts'
import type { PaymentFacts, Payments } from './payments.ts'
import { applyChanges, findPayment, lockPayment } from './store.ts'

/** Brings a payment to what the provider says it is. */
export interface PaymentSync {
  /**
   * Any number may do so at once. `found` are ids of the provider that an event told, in case a lost answer kept them
   * from us. Returns the payment as it is then; null when it is none of ours.
   */
  sync(paymentId: string, found?: FoundIds): Promise<PaymentRecord | null>
}

export interface FoundIds {
  checkoutId: string | null
  intentId: string | null
}

export interface PaymentSyncDeps {
  database: Database
  payments: Pick<Payments, 'read'>
  clock: Clock
  /** In the transaction that settles a payment, for what depends on how it ended. */
  onSettled(trx: Trx, before: PaymentRow, after: PaymentRow): Promise<void>
  /** After a payment came in; its card may have been saved with it. */
  onPaid(payment: PaymentRow): Promise<void>
}

interface Synced {
  record: PaymentRecord
  newlyPaid: boolean
}

/** Each failed attempt means that somebody else's went through, which writes as new a state as this one would. */
const attemptsMax = 20
const nothingFound: FoundIds = { checkoutId: null, intentId: null }

export function createPaymentSync(deps: PaymentSyncDeps): PaymentSync {
  const { database, payments, clock } = deps

  const attempt = async (paymentId: string, found: FoundIds): Promise<Synced | null | 'again'> => {
    const record = await database.asSystem((trx) => findPayment(trx, paymentId))
    if (!record) return null
    const reference = {
      checkoutId: record.payment.checkout_id ?? found.checkoutId,
      intentId: record.payment.intent_id ?? found.intentId,
    }
    // Nobody was ever shown where to pay.
    if (!reference.checkoutId && !reference.intentId) return { record, newlyPaid: false }
    const facts = await payments.read(reference)
    return database.asSystem(async (trx) => {
      if (!(await lockPayment(trx, record.payment))) return 'again'
      return write(trx, record, facts)
    })
  }

  const write = async (trx: Trx, record: PaymentRecord, facts: PaymentFacts): Promise<Synced> => {
    const changes = decide(record, facts, clock.now())
    const { payment } = record
    await applyChanges(trx, record, changes, nextLook({ ...payment, ...changes.payment }, clock.now()))
    const after = (await findPayment(trx, payment.id)) as PaymentRecord
    await tellOfDisputes(trx, record, after)
    if (after.payment.state !== payment.state) await deps.onSettled(trx, payment, after.payment)
    return { record: after, newlyPaid: changes.purchase !== null }
  }

  return {
    sync: async (paymentId, found = nothingFound) => {
      for (let count = 0; count < attemptsMax; count += 1) {
        const result = await attempt(paymentId, found)
        if (result === 'again') continue
        if (result?.newlyPaid) await deps.onPaid(result.record.payment)
        return result?.record ?? null
      }
      throw unavailable('payment_busy', 'This payment is changing right now. Try again in a second.', 1)
    },
  }
}

const minute = 60_000
const hour = 60 * minute

/** While something is still to come of it, sooner for younger ones, in case no event tells. */
export function nextLook(payment: PaymentRow, now: Date): Date | null {
  if (payment.state !== 'open' && payment.state !== 'processing') return null
  const age = now.getTime() - payment.created_at.getTime()
  const wait = age < hour ? 2 * minute : age < 24 * hour ? 30 * minute : 12 * hour
  return new Date(now.getTime() + wait)
}
