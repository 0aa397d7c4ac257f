import { sql } from 'kysely'
import type { Database, Trx } from '../../db/database.ts'
import { abandonedCode } from '../usage/call-store.ts'
import { callSecondsMax } from '../usage/meter.ts'
import { releaseBudgets } from './budgets.ts'
import { spendingOf } from './call-reservations.ts'
import { applyOperations } from './ledger-store.ts'

/** Between the end of the longest call and the moment its row counts as abandoned: time for its settlement. */
const settleGraceSeconds = 300

/** Keeps the transaction short. */
const callsPerTransaction = 500

/**
 * Closes the rows of calls whose control plane died before it could settle them, and gives back what was held for them.
 * What they used is unknown to Reef, and it is not the organization's fault: nobody pays for it. Should the settlement
 * turn up after all, it still counts. The database's clock decides, since it also wrote `started_at`. Answers how many
 * were closed; any number of control planes may do so at once.
 */
export async function closeAbandonedModelCalls(database: Database): Promise<number> {
  let closed = 0
  for (;;) {
    const count = await database.asSystem((trx) =>
      abandonCalls(trx, { olderThanSeconds: callSecondsMax + settleGraceSeconds }),
    )
    closed += count
    if (count < callsPerTransaction) return closed
  }
}

/** Of these calls, or of those that started so long ago, closes the ones that are still pending. */
export async function abandonCalls(
  trx: Trx,
  which: { ids: readonly string[] } | { olderThanSeconds: number },
): Promise<number> {
  const due =
    'ids' in which
      ? sql<boolean>`id = any(${[...which.ids]}::uuid[])`
      : sql<boolean>`started_at < now() - make_interval(secs => ${which.olderThanSeconds})`
  const { rows } = await sql<AbandonedRow>`
    with due as materialized (
      select id from model_calls where outcome = 'pending' and ${due} order by id
      limit ${'ids' in which ? null : callsPerTransaction} for update skip locked
    )
    update model_calls as calls
    set outcome = 'cancelled', error_code = ${abandonedCode}, cost = 0, finished_at = now()
    from due where calls.id = due.id
    returning calls.id, calls.organization_id, calls.user_id, calls.instance_id, calls.agent_id`.execute(trx)
  const held = rows.flatMap((row) =>
    row.organization_id === null
      ? []
      : [
          {
            id: row.id,
            organizationId: row.organization_id,
            userId: row.user_id,
            instanceId: row.instance_id,
            agentId: row.agent_id,
          },
        ],
  )
  if (held.length > 0) {
    await releaseBudgets(trx, held.map(spendingOf))
    await applyOperations(
      trx,
      held.map(({ id, organizationId }) => ({
        kind: 'settle',
        organizationId,
        key: `call:${id}:abandon`,
        reservationId: id,
        amount: 0,
        close: true,
      })),
    )
  }
  return rows.length
}

interface AbandonedRow {
  id: string
  organization_id: string | null
  user_id: string | null
  instance_id: string | null
  agent_id: string | null
}
