import type { Database } from './db/database.ts'
import { createLedger, type Ledger } from './domain/credits/ledger.ts'

interface CreditsDeps {
  database: Database
}

/** What credits are, what things cost, and who is asked before something is spent. */
export interface Credits {
  ledger: Ledger
}

export function openCredits(deps: CreditsDeps): Credits {
  return { ledger: createLedger(deps.database) }
}
