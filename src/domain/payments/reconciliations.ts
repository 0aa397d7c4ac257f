import type { Database } from '../../db/database.ts'
import type { ReconciliationReport } from './reconcile.ts'

/** One comparison with the provider's lists, as it went. */
export interface Reconciliation {
  id: string
  startedAt: string
  /** Null while it is under way. */
  finishedAt: string | null
  /** Why it came to no end, if it did not. */
  failure: string | null
  report: ReconciliationReport | null
}

const listedMax = 10

/** The last ones, the newest first; also those of a time when a key was set. */
export async function listReconciliations(database: Database): Promise<Reconciliation[]> {
  const rows = await database.asSystem((trx) =>
    trx
      .selectFrom('payment_reconciliations')
      .select(['id', 'started_at', 'finished_at', 'failure', 'report'])
      .orderBy('started_at', 'desc')
      .limit(listedMax)
      .execute(),
  )
  return rows.map((row) => ({
    id: row.id,
    startedAt: row.started_at.toISOString(),
    finishedAt: row.finished_at?.toISOString() ?? null,
    failure: row.failure,
    // Written by the reconciler and by nobody else.
    report: row.report as ReconciliationReport | null,
  }))
}
