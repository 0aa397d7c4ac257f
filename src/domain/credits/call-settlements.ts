import type { Database, Trx } from '../../db/database.ts'
import { isDatabaseUnavailable } from '../../db/unavailable.ts'
import { createBatched } from '../usage/batch.ts'
import { type SettledCall, writeSettled } from '../usage/call-store.ts'
import type { CallJournal } from '../usage/journal.ts'
import { abandonCalls } from './abandoned-calls.ts'
import { recordSpend } from './budgets.ts'
import { createCallConfirmation } from './call-confirmation.ts'
import { spendingOf } from './call-reservations.ts'
import { applyOperations } from './ledger-store.ts'

/** Writes how calls ended and what they cost, sooner or later, and never twice. */
export interface CallSettlements {
  /**
   * Resolves when it is written, or when the database does not take it for now: it is then tried again until it is there,
   * by the next process if need be. Does not throw.
   */
  settle(settled: SettledCall): Promise<void>
  /** Takes up what an earlier process left. */
  start(): void
  stop(): Promise<void>
}

export interface CallSettlementsOptions {
  database: Database
  /** Without one, what the database does not take is lost with this process. */
  journal?: CallJournal | undefined
  /** Told of a settlement that the database refuses for good, for example because its organization is gone. */
  onLost(error: unknown, settled: SettledCall): void
  /** Waits between the attempts while somebody waits, in milliseconds. */
  retryDelaysMilliseconds?: number[]
  /** And afterwards. */
  laterMilliseconds?: number
  /** How long written settlements wait for being confirmed together. */
  confirmMilliseconds?: number
}

export function createCallSettlements(options: CallSettlementsOptions): CallSettlements {
  const { database, journal } = options
  const delays = options.retryDelaysMilliseconds ?? [250, 1000, 4000]
  const later = new Map<string, SettledCall>()
  let timer: NodeJS.Timeout | undefined
  let running: Promise<void> = Promise.resolve()
  let stopped = false

  const write = createBatched(async (settled: SettledCall[]) => {
    await database.asSystem((trx) => settleCalls(trx, settled))
    return settled
  }, isDatabaseUnavailable)

  const confirmation = createCallConfirmation({
    database,
    milliseconds: options.confirmMilliseconds ?? 1000,
    onConfirmed: (settled) => journal?.closed(settled.call.id),
    // Written already or lost with the database's machine: writing them again tells.
    onUnsure: (settled) => {
      later.set(settled.call.id, settled)
      tryLater()
    },
  })

  /** Answers whether it is over, one way or the other. */
  const attempt = async (settled: SettledCall, isLast: boolean): Promise<boolean> => {
    try {
      await write(settled)
      confirmation.add(settled)
    } catch (error) {
      if (!isLast || !isForGood(error)) return false
      options.onLost(error, settled)
      journal?.closed(settled.call.id)
    }
    later.delete(settled.call.id)
    return true
  }

  const tryLater = (): void => {
    if (stopped || timer) return
    timer = setTimeout(() => {
      timer = undefined
      running = Promise.all([...later.values()].map((settled) => attempt(settled, true))).then(() => {
        if (later.size > 0) tryLater()
      })
    }, options.laterMilliseconds ?? 5000)
    timer.unref()
  }

  const settle = async (settled: SettledCall): Promise<void> => {
    journal?.ended(settled)
    for (const [index, delay] of [...delays, undefined].entries()) {
      if (await attempt(settled, index === delays.length)) return
      if (delay !== undefined) await new Promise((resolve) => setTimeout(resolve, delay).unref())
    }
    later.set(settled.call.id, settled)
    tryLater()
  }

  return {
    settle,
    start: () => {
      for (const settled of journal?.left.ended ?? []) void settle(settled)
      const open = journal?.left.open ?? []
      if (open.length > 0) running = releaseOpen(database, open, journal, () => stopped)
    },
    stop: async () => {
      stopped = true
      clearTimeout(timer)
      await running
      await confirmation.stop()
    },
  }
}

/**
 * Values that the database cannot take, keys that lead nowhere, a ledger that says no. Anything else, from a full disk to a
 * standby that was just promoted, passes, and usage that was thrown away does not come back.
 */
function isForGood(error: unknown): boolean {
  if (isDatabaseUnavailable(error)) return false
  const { code } = error as { code?: unknown }
  return typeof code !== 'string' || /^(22|23|42)/.test(code)
}

async function settleCalls(trx: Trx, settled: readonly SettledCall[]): Promise<void> {
  const fresh = await writeSettled(trx, settled)
  const paid = settled.flatMap(({ call, cost, end }) => {
    const { organizationId } = call
    return organizationId === null || !fresh.has(call.id)
      ? []
      : [{ call: { ...call, organizationId }, cost, at: end.finishedAt }]
  })
  if (paid.length === 0) return
  await recordSpend(
    trx,
    paid.map(({ call, cost, at }) => ({ ...spendingOf(call), amount: cost, at })),
  )
  const outcomes = await applyOperations(
    trx,
    paid.map(({ call, cost }) => ({
      kind: 'settle',
      organizationId: call.organizationId,
      key: `call:${call.id}:settle`,
      reservationId: call.id,
      amount: cost,
      close: true,
      note: `${call.provider}/${call.model}`,
    })),
  )
  const refused = outcomes.find((outcome) => !outcome.done)
  if (refused && !refused.done) throw new Error(`the ledger refused a settlement: ${refused.refusal.code}`)
}

/** Calls that were under way when their process died: nobody else can settle them, so nobody has to wait for the sweep. */
async function releaseOpen(
  database: Database,
  ids: readonly string[],
  journal: CallJournal | undefined,
  isStopped: () => boolean,
): Promise<void> {
  for (;;) {
    try {
      await database.asSystem((trx) => abandonCalls(trx, { ids }))
      for (const id of ids) journal?.closed(id)
      return
    } catch {
      if (isStopped()) return
      await new Promise((resolve) => setTimeout(resolve, 5000).unref())
      if (isStopped()) return
    }
  }
}
