import { sql } from 'kysely'
import type { Trx } from '../../db/database.ts'
import { insertPending, type PendingCall } from '../usage/call-store.ts'
import { callSecondsMax, type ModelCall } from '../usage/meter.ts'
import type { LedgerRefusal, Outcome } from './book.ts'
import type { PlannedSpending } from './budget.ts'
import { checkBudgets, recordSpend } from './budgets.ts'
import type { CallBounds } from './call-cost.ts'
import { applyOperations } from './ledger-store.ts'
import type { Operation } from './operation.ts'

/** A call that somebody has to pay for. */
export interface PricedCall {
  call: ModelCall & { organizationId: string }
  priceVersion: number
  bounds: CallBounds
}

export type Holding =
  | { held: number }
  /** A budget is spent, with the words for it. */
  | { refused: 'budget'; message: string }
  /** `busy`: there would be enough if calls under way gave back what they hold. */
  | { refused: 'credits'; available: number; busy: boolean }

type Reserve = Extract<Operation, { kind: 'reserve' }>

/** After the sweep of abandoned calls, which knows more of them than their reservation says. */
const reservationSeconds = callSecondsMax + 3600

/**
 * Writes the rows of calls that are about to be made and holds what they can cost, in the caller's transaction, which must
 * commit before any of them is made. Where less than the worst case is there, holds a part that is still useful.
 */
export async function holdForCalls(trx: Trx, calls: readonly PricedCall[]): Promise<Holding[]> {
  if (calls.length === 0) return []
  // Before the ledger's locks, as the ledger asks of whoever locks rows: these refer to instances and organizations.
  await insertPending(
    trx,
    calls.map((one): PendingCall => ({ ...one, reserved: one.bounds.worst })),
  )
  const budgets = await checkBudgets(trx, calls.map(plannedSpending))
  const holdings = new Map<PricedCall, Holding>()
  const wanted: Wanted[] = []
  for (const [index, one] of calls.entries()) {
    const answer = budgets[index]
    if (answer?.refusal) holdings.set(one, { refused: 'budget', message: answer.refusal.message })
    else wanted.push({ one, most: answer?.amount ?? one.bounds.worst })
  }
  for (const [one, holding] of await holdInLedger(trx, wanted)) holdings.set(one, holding)
  await correctRows(trx, holdings)
  await giveBackToBudgets(trx, holdings)
  // Each call was either refused by a budget or asked for in the ledger.
  return calls.map((one) => holdings.get(one) as Holding)
}

function plannedSpending({ call, bounds }: PricedCall): PlannedSpending {
  return { ...spendingOf(call), amount: bounds.worst, atLeast: bounds.least }
}

/** What budgets tell calls apart by. */
export function spendingOf(
  call: Pick<PricedCall['call'], 'id' | 'organizationId' | 'userId' | 'instanceId' | 'agentId'>,
) {
  const { organizationId, userId, instanceId, agentId } = call
  return { key: `call:${call.id}`, organizationId, userId, instanceId, agentId }
}

interface Wanted {
  one: PricedCall
  /** The worst case, or what budgets leave of it. */
  most: number
}

async function holdInLedger(trx: Trx, wanted: Wanted[]): Promise<Map<PricedCall, Holding>> {
  const holdings = new Map<PricedCall, Holding>()
  const outcomes = await applyOperations(
    trx,
    wanted.map(({ one, most }) => reserveOf(one, most)),
    { fresh: true },
  )
  const short: Wanted[] = []
  for (const [index, outcome] of outcomes.entries()) {
    const { one, most } = wanted[index] as Wanted
    if (outcome.done) holdings.set(one, { held: most })
    else short.push({ one, most })
  }
  if (short.length > 0) await holdParts(trx, short, lastAvailable(wanted, outcomes), holdings)
  return holdings
}

/** The second try for calls whose worst case was not there. The books are locked already, so what is available is known. */
async function holdParts(
  trx: Trx,
  short: Wanted[],
  available: Map<string, number>,
  holdings: Map<PricedCall, Holding>,
): Promise<void> {
  const tries = short.flatMap((wanted) => {
    const { organizationId } = wanted.one.call
    const there = available.get(organizationId) ?? 0
    const amount = partOf(there, wanted)
    if (amount === undefined) return []
    available.set(organizationId, there - amount)
    return [{ one: wanted.one, most: amount }]
  })
  const outcomes = await applyOperations(
    trx,
    tries.map(({ one, most }) => reserveOf(one, most)),
    // Those that were refused above have changed nothing.
    { fresh: true },
  )
  for (const [index, { one, most }] of tries.entries())
    if (outcomes[index]?.done) holdings.set(one, { held: most })
  const refused = short.filter(({ one }) => !holdings.has(one)).map(({ one }) => one)
  const busy = await heldByCalls(trx, refused)
  for (const one of refused) {
    const there = available.get(one.call.organizationId) ?? 0
    const coming = busy.get(one.call.organizationId) ?? 0
    holdings.set(one, {
      refused: 'credits',
      available: there,
      busy: there + coming >= one.bounds.least,
    })
  }
}

/** Half of what is there, so that calls at the same time get something too; at least a useful part, where there is one. */
function partOf(available: number, { one, most }: Wanted): number | undefined {
  const { least, comfortable } = one.bounds
  if (available < least) return undefined
  const half = Math.floor(available / 2)
  return Math.min(most, Math.max(least, Math.min(comfortable, available), half))
}

function reserveOf({ call }: PricedCall, amount: number): Reserve {
  return {
    kind: 'reserve',
    organizationId: call.organizationId,
    key: `call:${call.id}`,
    reservationId: call.id,
    purpose: 'model_call',
    amount,
    atLeast: amount,
    expiresAt: new Date(Date.now() + reservationSeconds * 1000),
  }
}

function lastAvailable(wanted: Wanted[], outcomes: Outcome[]): Map<string, number> {
  const available = new Map<string, number>()
  for (const [index, outcome] of outcomes.entries()) {
    const { organizationId } = (wanted[index] as Wanted).one.call
    available.set(organizationId, outcome.done ? outcome.receipt.available : availableOf(outcome.refusal))
  }
  return available
}

function availableOf({ available }: LedgerRefusal): number {
  return available
}

async function heldByCalls(trx: Trx, refused: PricedCall[]): Promise<Map<string, number>> {
  const ids = [...new Set(refused.map(({ call }) => call.organizationId))]
  if (ids.length === 0) return new Map()
  const { rows } = await sql<{ organization_id: string; held: number }>`
    select organization_id, sum(held)::bigint as held from ledger_reservations
    where organization_id = any(${ids}::uuid[]) and purpose = 'model_call' and closed_at is null
    group by organization_id`.execute(trx)
  return new Map(rows.map((row) => [row.organization_id, row.held]))
}

/** The rows were written as if every call got its worst case. */
async function correctRows(trx: Trx, holdings: Map<PricedCall, Holding>): Promise<void> {
  const refused: string[] = []
  const parts: { id: string; held: number }[] = []
  for (const [{ call, bounds }, holding] of holdings)
    if ('refused' in holding) refused.push(call.id)
    else if (holding.held !== bounds.worst) parts.push({ id: call.id, held: holding.held })
  if (refused.length > 0) await trx.deleteFrom('model_calls').where('id', 'in', refused).execute()
  if (parts.length > 0)
    await sql`update model_calls as calls set reserved = parts.held
      from jsonb_to_recordset(${JSON.stringify(parts)}::jsonb) as parts (id uuid, held bigint)
      where calls.id = parts.id`.execute(trx)
}

/** What budgets hold for calls that the ledger refused. */
async function giveBackToBudgets(trx: Trx, holdings: Map<PricedCall, Holding>): Promise<void> {
  const refused = [...holdings].filter(([, holding]) => 'refused' in holding && holding.refused === 'credits')
  if (refused.length > 0)
    await recordSpend(
      trx,
      refused.map(([{ call }]) => ({ ...spendingOf(call), amount: 0 })),
    )
}
