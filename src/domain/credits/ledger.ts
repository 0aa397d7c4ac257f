import type { Database } from '../../db/database.ts'
import { isDatabaseUnavailable } from '../../db/unavailable.ts'
import { conflict, impossible, ReefError } from '../../errors.ts'
import { createLanes } from '../usage/batch.ts'
import type { LedgerRefusal, Outcome, Receipt } from './book.ts'
import { formatCredits } from './credit.ts'
import { applyOperations } from './ledger-store.ts'
import type { Operation } from './operation.ts'

export interface Ledger {
  /**
   * Does one operation, durably, in a transaction that it shares with whatever comes at the same time. Throws a ReefError:
   * `paymentRequired` when the credits do not suffice, `conflict` when the key was used for something else.
   */
  post(operation: Operation): Promise<Receipt>
}

export function createLedger(database: Database): Ledger {
  const apply = createLanes<Operation, Outcome>(
    ({ organizationId }) => organizationId,
    (operations) => database.asSystem((trx) => applyOperations(trx, operations)),
    isDatabaseUnavailable,
  )
  return {
    post: async (operation) => {
      const outcome = await apply(operation)
      if (outcome.done) return outcome.receipt
      throw refusalError(outcome.refusal, operation)
    },
  }
}

export function refusalError({ code, available }: LedgerRefusal, operation: Operation): ReefError {
  switch (code) {
    case 'credits_insufficient':
      return new ReefError('paymentRequired', {
        code: 'credits_insufficient',
        message: `This takes ${formatCredits(operation.amount)} credits, and ${formatCredits(available)} are available. Buy credits and try again.`,
      })
    case 'key_reused':
      return conflict(
        'idempotency_key_reused',
        'This idempotency key was used for another operation. Use a new key, or repeat exactly what it was used for.',
      )
    case 'not_frozen':
      return conflict('credits_not_frozen', `Only ${formatCredits(available)} credits are frozen.`)
    default:
      return impossible(code)
  }
}
