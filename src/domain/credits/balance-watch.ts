import { sql } from 'kysely'
import type { Database, Trx } from '../../db/database.ts'
import { notify } from '../../db/notify.ts'
import { clearAlert, raiseAlert } from './alerts.ts'
import { formatCredits, microsPerCredit } from './credit.ts'
import { inflowOfBooks } from './holds.ts'

/** Below this people are told however little they spend. */
const lowMicros = 50 * microsPerCredit

/** Not worth a call or a minute any more. */
const exhaustedMicros = microsPerCredit / 100

const hoursLow = 24
/** How much above a threshold is well again, so that nobody is told back and forth. */
const recovery = 1.2

export type BalanceState = 'well' | 'recovering' | 'low' | 'exhausted'

/**
 * `total` is what is available and reserved, `perHour` what was spent in the last hour. `held`: something was stopped for want
 * of credits, which happens with a rest that pays for nothing useful any more, and nothing has come in since.
 */
function balanceState(total: number, perHour: number, held: boolean): BalanceState {
  const low = Math.max(lowMicros, perHour * hoursLow)
  if (total < exhaustedMicros || (held && total < low)) return 'exhausted'
  if (total < low) return 'low'
  return total < low * recovery ? 'recovering' : 'well'
}

const keys = {
  low: (organizationId: string): string => `balance_low:${organizationId}`,
  exhausted: (organizationId: string): string => `credits_exhausted:${organizationId}`,
}

/**
 * Tells organizations that run low or out, and takes it back when they are well again or credits come in. For as many
 * control planes as like to. Only of one organization, where one is named.
 */
export async function watchBalances(database: Database, organizationId?: string): Promise<void> {
  const rows = await database.asSystem((trx) => selectChanged(trx, organizationId ?? null))
  for (const row of rows) await database.asSystem((trx) => judge(trx, row))
}

interface BalanceRow {
  organization_id: string
  total: number
  per_hour: number
  held: boolean
  /** What there was when people were told that it is low; null where they were not. */
  told_low: number | null
}

/**
 * What moved in the last hour, and what has an open alert. An organization that never had credits is told nothing: it has
 * not run out of anything.
 */
async function selectChanged(trx: Trx, organizationId: string | null): Promise<BalanceRow[]> {
  const { rows } = await sql<BalanceRow>`
    with watched as (
      select books.organization_id, books.available + books.reserved as total, ${inflowOfBooks} as inflow
      from ledger_books books join organizations on organizations.id = books.organization_id
      where books.granted + books.purchased > 0
        and (${organizationId}::uuid is null or books.organization_id = ${organizationId}::uuid)
        and (books.updated_at > now() - interval '1 hour' or exists (
          select from alerts where alerts.key in (
            'balance_low:' || books.organization_id, 'credits_exhausted:' || books.organization_id)))
    )
    select organization_id, total,
      (select coalesce(sum(cost), 0)::bigint from model_calls
        where model_calls.organization_id = watched.organization_id and started_at > now() - interval '1 hour')
      + (select coalesce(sum(cost), 0)::bigint from runtime_usage
        where runtime_usage.organization_id = watched.organization_id and window_end > now() - interval '1 hour')
      as per_hour,
      exists (select from instances where instances.organization_id = watched.organization_id
          and credit_hold = 'credits' and desired_state <> 'deleted')
        -- Once some came in, they are let go a moment later.
        and not exists (select from runtime_windows windows
          where windows.organization_id = watched.organization_id and windows.hold_inflow < watched.inflow) as held,
      (select (details->>'availableMicros')::bigint from alerts
        where alerts.key = 'balance_low:' || watched.organization_id) as told_low
    from watched`.execute(trx)
  return rows
}

async function judge(trx: Trx, row: BalanceRow): Promise<void> {
  const { organization_id, total, per_hour, held, told_low } = row
  const state = balanceState(total, per_hour, held)
  const low = keys.low(organization_id)
  const exhausted = keys.exhausted(organization_id)
  if (state === 'exhausted') {
    const raised = await raiseAlert(trx, {
      organizationId: organization_id,
      kind: 'credits_exhausted',
      severity: 'critical',
      title: total < exhaustedMicros ? 'The credits are used up' : 'There are not enough credits',
      message: `${formatCredits(total)} credits are left. Model calls are refused and instances stop until there are more. Buy credits under Credits, or ask the operator for some; everything resumes by itself.`,
      details: { availableMicros: total },
      key: exhausted,
    })
    if (raised) await notify(trx, 'credits_changed', organization_id)
    return
  }
  // It rises by nothing but credits that come in: what was told is over. If they are few too, that is told anew.
  const isOver = state === 'well' || (told_low !== null && total > told_low)
  const cleared = [await clearAlert(trx, exhausted), isOver && (await clearAlert(trx, low))]
  const raised =
    state === 'low' &&
    (await raiseAlert(trx, {
      organizationId: organization_id,
      kind: 'balance_low',
      severity: 'warning',
      title: 'Credits run low',
      message: `${formatCredits(total)} credits are left${lastingWords(total, per_hour)}. At zero model calls are refused and instances stop. Buy credits under Credits, or ask the operator for some.`,
      details: { availableMicros: total, perHourMicros: per_hour },
      key: low,
    }))
  // Whoever shows alerts looks again.
  if (raised || cleared.includes(true)) await notify(trx, 'credits_changed', organization_id)
}

function lastingWords(total: number, perHour: number): string {
  if (perHour <= 0) return ''
  const hours = total / perHour
  if (hours >= 48) return ''
  return hours < 1
    ? ', for less than an hour at the present pace'
    : `, for about ${Math.round(hours)} hours at the present pace`
}
