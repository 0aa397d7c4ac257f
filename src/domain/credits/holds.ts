import { sql } from 'kysely'
import type { Trx } from '../../db/database.ts'
import { notify } from '../../db/notify.ts'
import { ReefError } from '../../errors.ts'
import { formatCredits } from './credit.ts'
import { chargeSoon } from './runtime-store.ts'

/** Why an instance may not run though its owner wants it to. */
export type CreditHold = 'credits' | 'budget'

const howToGoOn =
  'Nothing of it is lost. Buy credits on the page Credits, or ask the operator of this Reef for some; then it starts ' +
  'again by itself.'

/** What people are told of it, wherever they meet it: on the instance, at the proxy, when they start it. */
export function holdReason(
  hold: CreditHold,
  message: string | null = null,
): { code: string; message: string } {
  return hold === 'credits'
    ? {
        code: 'credits_exhausted',
        message: message ?? `There are not enough credits left, so it does not run. ${howToGoOn}`,
      }
    : {
        code: 'budget_exhausted',
        message:
          'A budget is spent, so it does not run. Nothing of it is lost. It starts again by itself when the budget’s ' +
          'next period begins, or when an owner or admin of the organization raises it on the page Credits.',
      }
}

export function holdError(hold: CreditHold): ReefError {
  return new ReefError('paymentRequired', holdReason(hold))
}

/**
 * All that has ever come in and was not taken back: it rises when credits are bought, granted or thawed, and by nothing
 * else. What a stopped instance gives back of what was held for it is no reason to start it again.
 */
const inflow = sql<number>`books.granted + books.purchased - books.refunded - books.frozen`

/** How much there was when it turned out not to suffice, and what the next call would have taken at least. */
export interface Shortage {
  available: number
  needed: number
}

/**
 * Stops all instances of an organization for lack of credits, until more come in. Call it in a transaction of its own,
 * never after the ledger's books were locked in the same one. Should there be more by now than there was, somebody has
 * just brought some, and nothing is held.
 */
export async function holdForCredits(
  trx: Trx,
  organizationId: string,
  shortage?: Shortage,
): Promise<string[]> {
  const { rows } = await sql<{ id: string }>`
    select id from instances where organization_id = ${organizationId} and status <> 'deleted'
    order by id for no key update`.execute(trx)
  if (shortage && (await hasMore(trx, organizationId, shortage.available))) return []
  await waitForInflow(trx, organizationId)
  return hold(
    trx,
    rows.map(({ id }) => id),
    'credits',
    shortage && shortageWords(shortage),
  )
}

function shortageWords({ available, needed }: Shortage): string {
  const left = available === 0 ? 'none' : formatCredits(available)
  return (
    `The next model call takes ${formatCredits(needed)} credits or more and ${left} are left, so it does not run. ` +
    howToGoOn
  )
}

/** One instance that could not be woken; those that run are paid for. */
export async function holdInstance(trx: Trx, instanceId: string, why: CreditHold): Promise<void> {
  const { rows } = await sql<{ organization_id: string }>`
    select organization_id from instances where id = ${instanceId} for no key update`.execute(trx)
  const organizationId = rows[0]?.organization_id
  if (organizationId === undefined) return
  if (why === 'credits') await waitForInflow(trx, organizationId)
  // Budgets are looked at with the next charge, which also says when their period ends.
  else await chargeSoon(trx, organizationId, 0)
  await hold(trx, [instanceId], why)
}

/** Notes what has come in so far: only more than that lifts a hold. */
async function waitForInflow(trx: Trx, organizationId: string): Promise<void> {
  await chargeSoon(trx, organizationId, 0)
  await sql`
    update runtime_windows set hold_inflow = coalesce(hold_inflow,
      (select ${inflow} from ledger_books books where books.organization_id = ${organizationId}), 0)
    where organization_id = ${organizationId}`.execute(trx)
}

async function hasMore(trx: Trx, organizationId: string, available: number): Promise<boolean> {
  const book = await trx
    .selectFrom('ledger_books')
    .select('available')
    .where('organization_id', '=', organizationId)
    .executeTakeFirst()
  return (book?.available ?? 0) > available
}

/** Of instances that the caller has locked. Answers those that were not held before. */
export async function hold(
  trx: Trx,
  instanceIds: readonly string[],
  why: CreditHold,
  message: string | null = null,
): Promise<string[]> {
  if (instanceIds.length === 0) return []
  const { rows } = await sql<ChangedRow>`
    update instances set credit_hold = ${why}, credit_hold_message = ${message}, version = version + 1, updated_at = clock_timestamp(),
      next_reconcile_at = clock_timestamp()
    where id = any(${[...instanceIds]}::uuid[]) and credit_hold is null and desired_state in ('running', 'suspended')
    returning id, organization_id`.execute(trx)
  return told(trx, rows)
}

/** Of instances that the caller has locked. What a person stopped stays stopped, and what slept sleeps on. */
export async function lift(trx: Trx, instanceIds: readonly string[], why: CreditHold): Promise<string[]> {
  if (instanceIds.length === 0) return []
  const { rows } = await sql<ChangedRow>`
    update instances set credit_hold = null, credit_hold_message = null, version = version + 1, updated_at = clock_timestamp(),
      next_reconcile_at = clock_timestamp()
    where id = any(${[...instanceIds]}::uuid[]) and credit_hold = ${why}
    returning id, organization_id`.execute(trx)
  return told(trx, rows)
}

interface ChangedRow {
  id: string
  organization_id: string
}

/** Dashboards show holds with the credits. */
async function told(trx: Trx, rows: readonly ChangedRow[]): Promise<string[]> {
  for (const { id } of rows) await notify(trx, 'instance_changed', id)
  for (const id of new Set(rows.map((row) => row.organization_id))) await notify(trx, 'credits_changed', id)
  return rows.map(({ id }) => id)
}

export { inflow as inflowOfBooks }
