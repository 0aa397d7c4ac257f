import type { LedgerAccount } from '../../db/tables/credits.ts'
import { move, type Transfer } from './book.ts'
import { chainStart, hashTransfer } from './chain.ts'

export interface ChainProblem {
  sequence: number
  message: string
}

/** One organization's transfers, done again one by one. Remembers only where it is. */
export interface Replay {
  /** Takes the next one in the order of their places; answers what is wrong with it. */
  next(transfer: Transfer): ChainProblem[]
  readonly balances: Record<LedgerAccount, number>
  /** Of the last one. */
  readonly sequence: number
  readonly hash: Buffer
  readonly at: Date | null
}

export function createReplay(): Replay {
  const balances = noBalances()
  let sequence = 0
  /** Ways to read the transfer before: as it says itself, and as its contents say. */
  let before: Buffer[] = [chainStart]
  let hash: Buffer = chainStart
  let at: Date | null = null

  return {
    balances,
    get sequence() {
      return sequence
    },
    get hash() {
      return hash
    },
    get at() {
      return at
    },
    next: (transfer) => {
      const problems: ChainProblem[] = []
      const report = (message: string) => problems.push({ sequence: transfer.sequence, message })
      if (transfer.sequence !== sequence + 1) {
        problems.push(missing(sequence + 1, transfer.sequence - 1))
        before = []
      }
      const contents = before.flatMap((previous) => hashIfPossible(previous, transfer))
      // After a gap nothing says what it should be.
      if (before.length > 0 && !contents.some((sum) => sum.equals(transfer.hash)))
        report(`transfer ${transfer.sequence} is not what was written`)
      if (at !== null && transfer.at < at)
        report(`transfer ${transfer.sequence} is older than the one before it`)
      try {
        move(balances, transfer)
      } catch (error) {
        report((error as Error).message)
      }
      if (balances[transfer.debit] < 0 || balances[transfer.credit] < 0)
        report(`transfer ${transfer.sequence} moves more than there is`)
      before = contents.some((sum) => sum.equals(transfer.hash))
        ? [transfer.hash]
        : [transfer.hash, ...contents]
      ;({ sequence, hash, at } = transfer)
      return problems
    },
  }
}

/** From the first to the last of them. */
export function missing(first: number, last: number): ChainProblem {
  const which = first === last ? `transfer ${first} is` : `transfers ${first} to ${last} are`
  return { sequence: first, message: `${which} missing` }
}

/** Not of times such as infinity, which nobody writes but whoever tampers. */
function hashIfPossible(previous: Buffer, transfer: Transfer): Buffer[] {
  try {
    return [hashTransfer(previous, transfer)]
  } catch {
    return []
  }
}

export function noBalances(): Record<LedgerAccount, number> {
  return {
    granted: 0,
    purchased: 0,
    written_off: 0,
    available: 0,
    reserved: 0,
    spent: 0,
    frozen: 0,
    refunded: 0,
  }
}
