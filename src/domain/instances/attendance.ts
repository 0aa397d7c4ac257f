import { sql } from 'kysely'
import type { Database, Trx } from '../../db/database.ts'
import { ReefError } from '../../errors.ts'
import type { Logger } from '../../telemetry/log.ts'
import { holdInstance } from '../credits/holds.ts'
import type { LaunchCredits } from '../credits/runtime-launch.ts'
import { wake } from './ladder.ts'

/** What the proxy tells of people's traffic: it keeps instances awake and wakes those that sleep. */
export interface Attendance {
  /**
   * Somebody needs a sleeping instance. Callers at the same time share one statement. Never throws. What a program woke
   * sleeps again soon, unless a person comes or it gets to work.
   */
  wake(instanceId: string, who: 'person' | 'program'): Promise<void>
  /** Somebody uses it now. Costs nothing per request: written together, now and then. */
  seen(instanceId: string): void
  close(): Promise<void>
}

/** Well below the shortest time after which an instance sleeps. */
const writeMilliseconds = 15_000

export function createAttendance(deps: {
  database: Database
  log: Logger
  /** Whether there are credits to wake it; without it there always are. */
  launchCredits?: LaunchCredits | undefined
  settle(instanceId: string): Promise<void>
}): Attendance {
  const { database, log } = deps
  const wakes = new Map<string, Promise<void>>()
  /** When each was last seen, by the monotonic clock. */
  const unwritten = new Map<string, number>()
  /** Written within the last interval; being seen again is written with its end. */
  let written = new Set<string>()
  let writing = Promise.resolve()

  const wakeOnce = async (instanceId: string, who: 'person' | 'program'): Promise<void> => {
    try {
      const check = await deps.launchCredits?.prepare()
      if (await database.asSystem((trx) => wake(trx, instanceId, who, check))) await deps.settle(instanceId)
    } catch (error) {
      if (error instanceof ReefError && error.kind === 'paymentRequired') return holdAsleep(instanceId, error)
      log.warn({ err: error, instanceId }, 'an instance was not woken; the request that waits asks again')
    } finally {
      wakes.delete(instanceId)
    }
  }
  /** Whoever asked for it is told so by its next look. */
  const holdAsleep = async (instanceId: string, { code }: ReefError): Promise<void> => {
    const why = code === 'budget_exhausted' ? 'budget' : 'credits'
    await database
      .asSystem((trx) => holdInstance(trx, instanceId, why))
      .then(() => deps.settle(instanceId))
      .catch((error) => log.warn({ err: error, instanceId }, 'an instance without credits was not held'))
  }
  const wakeTogether: Attendance['wake'] = (instanceId, who) => {
    const underWay = wakes.get(instanceId) ?? wakeOnce(instanceId, who)
    wakes.set(instanceId, underWay)
    return underWay
  }

  const write = (): void => {
    if (unwritten.size === 0) return
    const seen = [...unwritten]
    unwritten.clear()
    for (const [id] of seen) written.add(id)
    writing = writing
      .then(() => database.asSystem((trx) => recordSeen(trx, seen)))
      // It was let down just as the request came: the request is stuck in a machine that stands still.
      .then((asleep) => Promise.all(asleep.map((id) => wakeTogether(id, 'person'))))
      .then(
        () => undefined,
        (error) => log.warn({ err: error }, 'activity was not written'),
      )
  }
  const timer = setInterval(() => {
    written = new Set()
    write()
  }, writeMilliseconds)
  timer.unref()

  return {
    wake: wakeTogether,
    seen: (instanceId) => {
      unwritten.set(instanceId, performance.now())
      // The first sign of life is told at once, so that nobody lets it down meanwhile.
      if (!written.has(instanceId)) write()
    },
    close: async () => {
      clearInterval(timer)
      write()
      await Promise.all([writing, ...wakes.values()])
    },
  }
}

/**
 * In the order of ids, so that two control planes never wait for each other. Returns those that were let down before
 * they were seen; who was put to sleep afterwards is left alone.
 */
async function recordSeen(trx: Trx, seen: [id: string, at: number][]): Promise<string[]> {
  const ids = seen.map(([id]) => id)
  const agoSeconds = seen.map(([, at]) => (performance.now() - at) / 1000)
  const { rows } = await sql<{ id: string; asleep: boolean }>`
    with seen as (
      select id, clock_timestamp() - make_interval(secs => ago) as at
      from unnest(${ids}::uuid[], ${agoSeconds}::float8[]) as t (id, ago)),
    locked as (
      select instances.id, seen.at from instances join seen using (id) order by id for no key update of instances)
    update instances set last_active_at = greatest(last_active_at, locked.at) from locked
    where instances.id = locked.id
    returning instances.id,
      instances.desired_state = 'running' and instances.rung <> 'active' and locked.at > instances.rung_since
        as asleep`.execute(trx)
  return rows.filter((row) => row.asleep).map((row) => row.id)
}
