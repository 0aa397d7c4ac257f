import type { Selectable } from 'kysely'
import { sql } from 'kysely'
import type { Clock } from '../../clock.ts'
import type { Database, Trx } from '../../db/database.ts'
import type { EventSubject, StripeEventsTable } from '../../db/tables/payments.ts'
import type { Customers } from './customers.ts'
import type { Payments, ProviderEvent } from './payments.ts'
import type { PaymentSync } from './sync.ts'

type EventRow = Selectable<StripeEventsTable>

/** What the provider told: stored first, then acted upon, whoever dies in between. */
export interface ProviderEvents {
  /** Once this returns nothing is lost any more. An event that is known already changes nothing: answers false. */
  store(event: ProviderEvent, source: EventRow['source']): Promise<boolean>
  /** All that are due, in no particular order. Any number of control planes may do so. Returns how many there were. */
  processDue(): Promise<number>
  /** How many could not be processed for a while. */
  countStuck(): Promise<number>
  /** Those that the provider itself has forgotten. */
  removeOld(): Promise<void>
}

export interface ProviderEventsDeps {
  database: Database
  payments: Payments
  sync: PaymentSync
  customers: Customers
  clock: Clock
  onError(error: unknown, eventId: string): void
}

const batchSize = 50
/** Nobody else takes an event that somebody works at; after this it is due again, should they have died. */
const leaseMilliseconds = 60_000
const retryMillisecondsMax = 3_600_000
const stuckAttempts = 5
/** The provider lists events of the last 30 days, so nothing older can come again. */
const keptDays = 60

export function createProviderEvents(deps: ProviderEventsDeps): ProviderEvents {
  const { database, clock } = deps

  /** Events about the same thing, which one look settles. */
  const processAlike = async (ids: string[], subject: EventSubject): Promise<void> => {
    try {
      await act(deps, subject)
      await finish(ids, null)
    } catch (error) {
      deps.onError(error, ids.join(' '))
      await finish(ids, error)
    }
  }

  const finish = (ids: string[], error: unknown): Promise<unknown> =>
    database.asSystem((trx) =>
      trx
        .updateTable('stripe_events')
        .set(
          error === null
            ? { processed_at: clock.now(), failure: null }
            : {
                failure: String((error as Error).message ?? error).slice(0, 500),
                due_at: sql<Date>`${clock.now()}::timestamptz
                  + least(${retryMillisecondsMax}, 1000 * 2 ^ least(attempts, 20)) * interval '1 millisecond'`,
              },
        )
        .where('id', 'in', ids)
        .execute(),
    )

  return {
    store: ({ id, type, subject, createdAt }, source) =>
      database.asSystem(async (trx) => {
        const { numInsertedOrUpdatedRows } = await trx
          .insertInto('stripe_events')
          .values({
            id,
            type,
            subject: JSON.stringify(subject),
            source,
            created_at: createdAt,
            received_at: clock.now(),
            due_at: clock.now(),
            processed_at: null,
            failure: null,
          })
          .onConflict((known) => known.doNothing())
          .executeTakeFirst()
        return numInsertedOrUpdatedRows === 1n
      }),

    processDue: async () => {
      let count = 0
      for (;;) {
        const events = await database.asSystem((trx) => claim(trx, clock.now()))
        const alike = Map.groupBy(events, ({ subject }) => JSON.stringify(subject))
        await Promise.all(
          [...alike.values()].map((group) =>
            processAlike(
              group.map(({ id }) => id),
              (group[0] as EventRow).subject,
            ),
          ),
        )
        count += events.length
        if (events.length < batchSize) return count
      }
    },

    countStuck: () =>
      database.asSystem(async (trx) => {
        const { count } = await trx
          .selectFrom('stripe_events')
          .select((select) => select.fn.countAll<number>().as('count'))
          .where('processed_at', 'is', null)
          .where('attempts', '>=', stuckAttempts)
          .executeTakeFirstOrThrow()
        return count
      }),

    removeOld: async () => {
      const before = new Date(clock.now().getTime() - keptDays * 86_400_000)
      await database.asSystem((trx) =>
        trx
          .deleteFrom('stripe_events')
          .where('received_at', '<', before)
          .where('processed_at', 'is not', null)
          .execute(),
      )
    },
  }
}

async function claim(trx: Trx, now: Date): Promise<EventRow[]> {
  const due = await trx
    .selectFrom('stripe_events')
    .select('id')
    .where('processed_at', 'is', null)
    .where('due_at', '<=', now)
    .orderBy('due_at')
    .limit(batchSize)
    .forUpdate()
    .skipLocked()
    .execute()
  if (due.length === 0) return []
  return trx
    .updateTable('stripe_events')
    .set({ due_at: new Date(now.getTime() + leaseMilliseconds), attempts: sql<number>`attempts + 1` })
    .where(
      'id',
      'in',
      due.map(({ id }) => id),
    )
    .returningAll()
    .execute()
}

/** An event only says where to look. What is none of ours, for example another program's on the same account, is let be. */
async function act(deps: ProviderEventsDeps, subject: EventSubject): Promise<void> {
  if (subject.customerId !== null && subject.intentId === null && subject.checkoutId === null)
    return deps.customers.refreshCard(subject.customerId)
  const paymentId = await findPaymentId(deps, subject)
  if (paymentId !== null) await deps.sync.sync(paymentId, subject)
}

async function findPaymentId(
  { database, payments }: ProviderEventsDeps,
  { paymentId, checkoutId, intentId }: EventSubject,
): Promise<string | null> {
  if (paymentId !== null) return paymentId
  const known = await database.asSystem((trx) =>
    trx
      .selectFrom('payments')
      .select('id')
      .where((where) => where.or([where('intent_id', '=', intentId), where('checkout_id', '=', checkoutId)]))
      .executeTakeFirst(),
  )
  if (known) return known.id
  // A refund or a dispute that is heard of before its payment.
  return intentId === null ? null : payments.findPaymentId(intentId)
}
