import { sql } from 'kysely'
import type { Trx } from '../../db/database.ts'
import { type CreditHold, inflowOfBooks } from './holds.ts'
import type { MeterRow } from './runtime-store.ts'

export interface ChargedInstance {
  id: string
  organization_id: string
  owner_user_id: string
  plan: string
  status: string
  desired_state: string
  credit_hold: CreditHold | null
}

/** Those that are metered, the deleted ones until their last time is charged. */
export function lockInstances(trx: Trx, organizationId: string): Promise<ChargedInstance[]> {
  return trx
    .selectFrom('instances')
    .select(['id', 'organization_id', 'owner_user_id', 'plan', 'status', 'desired_state', 'credit_hold'])
    .where('organization_id', '=', organizationId)
    .where((expression) =>
      expression.exists(
        expression
          .selectFrom('runtime_meters')
          .select('instance_id')
          .whereRef('runtime_meters.instance_id', '=', 'instances.id'),
      ),
    )
    .orderBy('id')
    .forNoKeyUpdate()
    .execute()
}

export interface Window {
  organization_id: string
  reservation_id: string
  sequence: number
  hold_inflow: number | null
  is_due: boolean
  now: Date
}

/** Read after the lock was got: another control plane may have charged meanwhile. */
export async function lockWindow(trx: Trx, organizationId: string): Promise<Window | undefined> {
  await sql`select from runtime_windows where organization_id = ${organizationId} for update`.execute(trx)
  const { rows } = await sql<Window>`
    select organization_id, reservation_id, sequence, hold_inflow,
      coalesce(charge_at <= clock_timestamp(), false) as is_due,
      date_trunc('milliseconds', clock_timestamp()) as now
    from runtime_windows where organization_id = ${organizationId}`.execute(trx)
  return rows[0]
}

export interface BookFacts {
  available: number
  inflow: number
}

export async function lockBook(trx: Trx, organizationId: string): Promise<BookFacts> {
  const { rows } = await sql<BookFacts>`
    select books.available, ${inflowOfBooks} as inflow from ledger_books books
    where organization_id = ${organizationId} for update`.execute(trx)
  return rows[0] ?? { available: 0, inflow: 0 }
}

export async function findHeldFor(trx: Trx, reservationId: string): Promise<number> {
  const row = await trx
    .selectFrom('ledger_reservations')
    .select('held')
    .where('id', '=', reservationId)
    .executeTakeFirst()
  return row?.held ?? 0
}

/** Before the ledger, as everybody does. True when there are any. */
export async function lockBudgets(trx: Trx, organizationId: string): Promise<boolean> {
  const { rows } = await sql`select from lock_budgets(${[organizationId]}::uuid[])`.execute(trx)
  return rows.length > 0
}

/** An instance with its meter, both locked. */
export interface Metered {
  instance: ChargedInstance
  row: MeterRow
}
