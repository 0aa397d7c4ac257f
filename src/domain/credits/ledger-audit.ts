import type { Database } from '../../db/database.ts'
import { clearAlert, raiseAlert } from './alerts.ts'
import type { FoundAnchor } from './anchors.ts'
import { type LedgerReport, verifyLedger } from './verify.ts'

export interface LedgerAudit {
  /** Verifies, and tells the operators when something is wrong or well again. Whoever asks meanwhile gets the same answer. */
  run(): Promise<LedgerReport>
}

const alertKey = 'ledger_damaged'

export function createLedgerAudit(deps: {
  database: Database
  anchors(): AsyncIterable<FoundAnchor>
}): LedgerAudit {
  let running: Promise<LedgerReport> | undefined
  return {
    run: () => {
      // It reads everything.
      running ??= audit(deps).finally(() => {
        running = undefined
      })
      return running
    },
  }
}

async function audit(deps: Parameters<typeof createLedgerAudit>[0]): Promise<LedgerReport> {
  const report = await verifyLedger(deps)
  await deps.database.asSystem(async (trx) => {
    if (report.ok) return clearAlert(trx, alertKey)
    await raiseAlert(trx, {
      organizationId: null,
      kind: 'ledger_damaged',
      severity: 'critical',
      title: 'The ledger of credits is damaged',
      message: `Verification found ${report.problemsCount} problems, the first: ${report.problems[0]?.message}. Take a copy of the database, then see: reef ledger verify`,
      details: { problems: report.problemsCount },
      key: alertKey,
    })
  })
  return report
}
