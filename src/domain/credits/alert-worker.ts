import type { Database } from '../../db/database.ts'
import type { Listener } from '../../db/listen.ts'
import { type AlertDeliveriesDeps, sendDueAlerts } from './alert-deliveries.ts'
import { watchBalances } from './balance-watch.ts'
import { sweepBudgets } from './budgets.ts'
import type { Trials } from './trial.ts'

export interface AlertWorkerDeps extends AlertDeliveriesDeps {
  database: Database
  listener: Listener
  trials: Pick<Trials, 'sweep'>
  onError: (error: unknown, what: string) => void
}

const sendSeconds = 5
const watchSeconds = 30
const sweepSeconds = 300
/** A mail server that does not answer delays no end: what it did not take is sent after the next start. */
const stopMilliseconds = 2000

/** What goes on around credits in the background: deliveries, balances, trial credits that are due, and tidying up. */
export function createAlertWorker(deps: AlertWorkerDeps): { start(): Promise<void>; stop(): Promise<void> } {
  const { database, onError } = deps
  const loops: { stop(): Promise<void> }[] = []
  let stopped = false
  const sendAll = async (): Promise<void> => {
    while (!stopped && (await sendDueAlerts(deps)) > 0);
  }
  /** Organizations whose credits came or went: nobody is told for half a minute more of what is over. */
  const changed = new Set<string>()
  let looking: Promise<void> | undefined
  const lookAtChanged = async (): Promise<void> => {
    for (const organizationId of changed) {
      changed.delete(organizationId)
      await watchBalances(database, organizationId).catch((error) => onError(error, 'balances'))
    }
    looking = undefined
  }
  return {
    start: async () => {
      const unsubscribe = deps.listener.subscribe('credits_changed', {
        onHint: (organizationId) => {
          changed.add(organizationId)
          looking ??= lookAtChanged()
        },
        // The next watch sees what was missed.
        onReconnect: () => undefined,
      })
      loops.push({
        stop: async () => {
          unsubscribe()
          changed.clear()
          await unlessLate(looking)
        },
      })
      // Before anything is stopped for want of credits that it is only about to get.
      await deps.trials.sweep().catch((error) => onError(error, 'trial credits'))
      loops.push(
        repeat(sendSeconds, sendAll, (error) => onError(error, 'alerts')),
        repeat(
          watchSeconds,
          () => watchBalances(database),
          (error) => onError(error, 'balances'),
        ),
        repeat(
          watchSeconds,
          () => deps.trials.sweep(),
          (error) => onError(error, 'trial credits'),
        ),
        repeat(
          sweepSeconds,
          () => database.asSystem(sweepBudgets),
          (error) => onError(error, 'budgets'),
        ),
      )
    },
    stop: async () => {
      stopped = true
      await Promise.all(loops.splice(0).map((loop) => loop.stop()))
    },
  }
}

/** At once and then again and again, one at a time. */
function repeat(
  seconds: number,
  work: () => Promise<unknown>,
  onError: (error: unknown) => void,
): { stop(): Promise<void> } {
  let running: Promise<unknown> | undefined
  const run = (): void => {
    running ??= work()
      .catch(onError)
      .finally(() => {
        running = undefined
      })
  }
  run()
  const timer = setInterval(run, seconds * 1000)
  timer.unref()
  return {
    stop: async () => {
      clearInterval(timer)
      await unlessLate(running)
    },
  }
}

async function unlessLate(work: Promise<unknown> | undefined): Promise<void> {
  const patience = new Promise((resolve) => setTimeout(resolve, stopMilliseconds).unref())
  await Promise.race([work, patience])
}
