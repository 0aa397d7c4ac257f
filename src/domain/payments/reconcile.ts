import type { Clock } from '../../clock.ts'
import type { Database } from '../../db/database.ts'
import { conflict } from '../../errors.ts'
import { newId } from '../../ids.ts'
import type { ProviderEvents } from './events.ts'
import { compareLedger } from './ledger-check.ts'
import { formatMoney } from './packs.ts'
import type { ListedObject, Payments } from './payments.ts'
import type { PaymentSync } from './sync.ts'

/** What came of comparing the provider's lists with what is known here. */
export interface ReconciliationReport {
  from: string
  until: string
  /** Listed by the provider, and how many of them had never been delivered. */
  events: { listed: number; missed: number; unprocessed: number }
  /** Listed, and how many were not yet here as they are there. */
  payments: { listed: number; repaired: number }
  refunds: { listed: number; repaired: number }
  disputes: { listed: number; repaired: number }
  /** What a person has to look at, a sentence each. */
  differences: string[]
}

/** Finds what was never delivered, and what differs. */
export interface Reconciler {
  /** Now, by whoever asks. Throws `reconciliation_running` while another one is under way. */
  run(): Promise<ReconciliationReport>
  /** When the last one was a day ago; null when it was not. */
  runIfDue(): Promise<ReconciliationReport | null>
  /** Of the last one. */
  lastDifferences(): Promise<string[]>
}

export interface ReconcilerDeps {
  database: Database
  payments: Payments
  events: ProviderEvents
  sync: PaymentSync
  clock: Clock
}

const day = 86_400_000
/** The provider lists no older events. */
const reachMilliseconds = 30 * day
/** Lists may be late, and clocks differ. */
const overlapMilliseconds = 6 * 3_600_000
const leaseMilliseconds = 30 * 60_000

export function createReconciler(deps: ReconcilerDeps): Reconciler {
  const { clock } = deps
  const run = async (): Promise<ReconciliationReport> => {
    const { id, from, until } = await begin(deps.database, clock.now())
    try {
      const report = await compare(deps, from, until)
      await end(deps.database, id, {
        finished_at: clock.now(),
        report: JSON.stringify(report),
        failure: null,
      })
      return report
    } catch (error) {
      const failure = String((error as Error).message ?? error).slice(0, 500)
      await end(deps.database, id, { finished_at: clock.now(), report: null, failure })
      throw error
    }
  }
  return {
    run,
    runIfDue: async () => ((await isDue(deps.database, clock.now())) ? run() : null),
    lastDifferences: () => findLastDifferences(deps.database),
  }
}

async function findLastDifferences(database: Database): Promise<string[]> {
  const last = await database.asSystem((trx) =>
    trx
      .selectFrom('payment_reconciliations')
      .select('report')
      .where('finished_at', 'is not', null)
      .where('failure', 'is', null)
      .orderBy('until_at', 'desc')
      .limit(1)
      .executeTakeFirst(),
  )
  // Written by `run` above.
  return (last?.report as ReconciliationReport | undefined)?.differences ?? []
}

async function isDue(database: Database, now: Date): Promise<boolean> {
  const recent = await database.asSystem((trx) =>
    trx
      .selectFrom('payment_reconciliations')
      .select('id')
      // One that failed is not repeated at once either, nor one that somebody else is at.
      .where((where) =>
        where.or([
          where.and([where('failure', 'is', null), where('started_at', '>', new Date(now.getTime() - day))]),
          where('started_at', '>', new Date(now.getTime() - 3_600_000)),
        ]),
      )
      .limit(1)
      .executeTakeFirst(),
  )
  return recent === undefined
}

/** Of two at once one begins: there is one unfinished row at most. */
function begin(database: Database, now: Date): Promise<{ id: string; from: Date; until: Date }> {
  return database.asSystem(async (trx) => {
    await trx
      .updateTable('payment_reconciliations')
      .set({ finished_at: now, failure: 'Whoever ran it stopped before its end.' })
      .where('finished_at', 'is', null)
      .where('lease_until', '<=', now)
      .execute()
    const last = await trx
      .selectFrom('payment_reconciliations')
      .select('until_at')
      .where('finished_at', 'is not', null)
      .where('failure', 'is', null)
      .orderBy('until_at', 'desc')
      .limit(1)
      .executeTakeFirst()
    const oldest = now.getTime() - reachMilliseconds
    const from = new Date(Math.max(oldest, last ? last.until_at.getTime() - overlapMilliseconds : oldest))
    const id = newId()
    const { numInsertedOrUpdatedRows } = await trx
      .insertInto('payment_reconciliations')
      .values({
        id,
        from_at: from,
        until_at: now,
        started_at: now,
        lease_until: new Date(now.getTime() + leaseMilliseconds),
        finished_at: null,
        report: null,
        failure: null,
      })
      .onConflict((running) => running.doNothing())
      .executeTakeFirst()
    if (!numInsertedOrUpdatedRows)
      throw conflict(
        'reconciliation_running',
        'A reconciliation is under way already. Wait for it to end, then ask again.',
      )
    return { id, from, until: now }
  })
}

async function end(
  database: Database,
  id: string,
  values: { finished_at: Date; report: string | null; failure: string | null },
): Promise<void> {
  await database.asSystem((trx) =>
    trx.updateTable('payment_reconciliations').set(values).where('id', '=', id).execute(),
  )
}

async function compare(deps: ReconcilerDeps, from: Date, until: Date): Promise<ReconciliationReport> {
  const differences: string[] = []
  const events = await compareEvents(deps, from)
  const payments = await comparePayments(deps, from, differences)
  const refunds = await compareObjects(deps, deps.payments.listRefunds(from), 'refund')
  const disputes = await compareObjects(deps, deps.payments.listDisputes(from), 'dispute')
  await addOwnProblems(deps.database, differences)
  differences.push(...(await compareLedger(deps.database, from)))
  return {
    from: from.toISOString(),
    until: until.toISOString(),
    events,
    payments,
    refunds,
    disputes,
    differences,
  }
}

/** What was never delivered goes the way of what was. */
async function compareEvents(deps: ReconcilerDeps, from: Date): Promise<ReconciliationReport['events']> {
  let listed = 0
  let missed = 0
  for await (const event of deps.payments.listEvents(from)) {
    if (!deps.payments.isHandled(event.type)) continue
    listed += 1
    if (await deps.events.store(event, 'reconciliation')) missed += 1
  }
  await deps.events.processDue()
  return { listed, missed, unprocessed: await deps.events.countStuck() }
}

async function comparePayments(
  deps: ReconcilerDeps,
  from: Date,
  differences: string[],
): Promise<ReconciliationReport['payments']> {
  let listed = 0
  let repaired = 0
  for await (const { paymentId, intentId, paid, amountCents } of deps.payments.listPayments(from)) {
    listed += 1
    const before = await findState(deps.database, paymentId)
    if (before && (before === 'paid') === paid) continue
    const after = await deps.sync.sync(paymentId, { intentId, checkoutId: null })
    if (!after) {
      if (paid)
        differences.push(
          `Payment ${intentId} of ${formatMoney(amountCents, '').trim()} names the payment ${paymentId}, which is not in this database.`,
        )
    } else if (after.payment.state !== before) repaired += 1
  }
  return { listed, repaired }
}

async function findState(database: Database, paymentId: string): Promise<string | undefined> {
  const row = await database.asSystem((trx) =>
    trx.selectFrom('payments').select('state').where('id', '=', paymentId).executeTakeFirst(),
  )
  return row?.state
}

async function compareObjects(
  { database, payments, sync }: ReconcilerDeps,
  list: AsyncIterable<ListedObject>,
  kind: 'refund' | 'dispute',
): Promise<{ listed: number; repaired: number }> {
  let listed = 0
  let repaired = 0
  for await (const { id, intentId } of list) {
    const paymentId = await payments.findPaymentId(intentId)
    // Another program's on the same account.
    if (paymentId === null) continue
    listed += 1
    if (await isKnown(database, kind, id)) continue
    await sync.sync(paymentId, { intentId, checkoutId: null })
    if (await isKnown(database, kind, id)) repaired += 1
  }
  return { listed, repaired }
}

async function isKnown(database: Database, kind: 'refund' | 'dispute', id: string): Promise<boolean> {
  const row = await database.asSystem((trx) =>
    kind === 'refund'
      ? trx.selectFrom('payment_refunds').select('payment_id').where('refund_id', '=', id).executeTakeFirst()
      : trx
          .selectFrom('payment_disputes')
          .select('payment_id')
          .where('dispute_id', '=', id)
          .executeTakeFirst(),
  )
  return row !== undefined
}

async function addOwnProblems(database: Database, differences: string[]): Promise<void> {
  const rows = await database.asSystem((trx) =>
    trx
      .selectFrom('payments')
      .select(['id', 'problem'])
      .where('problem', 'is not', null)
      .where('state', '<>', 'paid')
      .execute(),
  )
  for (const { id, problem } of rows) differences.push(`Payment ${id}: ${problem}`)
}
