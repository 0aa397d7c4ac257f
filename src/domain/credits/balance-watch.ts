import { sql } from 'kysely'
import type { Database, Trx } from '../../db/database.ts'
import { clearAlert, raiseAlert } from './alerts.ts'
import { formatCredits, microsPerCredit } from './credit.ts'

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
 * of credits, which happens with a rest that pays for nothing useful any more.
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

/** Tells organizations that run low or out, and takes it back when they are well again. For as many control planes as like to. */
export async function watchBalances(database: Database): Promise<void> {
  const rows = await database.asSystem(selectChanged)
  for (const row of rows) await database.asSystem((trx) => judge(trx, row))
}

interface BalanceRow {
  organization_id: string
  total: number
  per_hour: number
  held: boolean
}

/**
 * What moved in the last hour, and what has an open alert. An organization that never had credits is told nothing: it has
 * not run out of anything.
 */
async function selectChanged(trx: Trx): Promise<BalanceRow[]> {
  const { rows } = await sql<BalanceRow>`
    with watched as (
      select books.organization_id, books.available + books.reserved as total
      from ledger_books books join organizations on organizations.id = books.organization_id
      where books.granted + books.purchased > 0
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
        and credit_hold = 'credits' and desired_state <> 'deleted') as held
    from watched`.execute(trx)
  return rows
}

async function judge(trx: Trx, { organization_id, total, per_hour, held }: BalanceRow): Promise<void> {
  const state = balanceState(total, per_hour, held)
  const low = keys.low(organization_id)
  const exhausted = keys.exhausted(organization_id)
  if (state === 'exhausted') {
    await raiseAlert(trx, {
      organizationId: organization_id,
      kind: 'credits_exhausted',
      severity: 'critical',
      title: 'The credits are used up',
      message:
        'Model calls are refused and instances stop until there are credits again. Buy credits under Credits, or ask the operator for some; everything resumes by itself.',
      details: { availableMicros: total },
      key: exhausted,
    })
    return
  }
  await clearAlert(trx, exhausted)
  if (state === 'well') await clearAlert(trx, low)
  if (state === 'low')
    await raiseAlert(trx, {
      organizationId: organization_id,
      kind: 'balance_low',
      severity: 'warning',
      title: 'Credits run low',
      message: `${formatCredits(total)} credits are left${lastingWords(total, per_hour)}. At zero model calls are refused and instances stop. Buy credits under Credits, or ask the operator for some.`,
      details: { availableMicros: total, perHourMicros: per_hour },
      key: low,
    })
}

function lastingWords(total: number, perHour: number): string {
  if (perHour <= 0) return ''
  const hours = total / perHour
  if (hours >= 48) return ''
  return hours < 1
    ? ', for less than an hour at the present pace'
    : `, for about ${Math.round(hours)} hours at the present pace`
}
