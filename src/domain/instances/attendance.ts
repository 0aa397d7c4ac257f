import { sql } from 'kysely'
import type { Database } from '../../db/database.ts'
import type { Logger } from '../../telemetry/log.ts'
import { wake } from './ladder.ts'

/** What the proxy tells of people's traffic: it keeps instances awake and wakes those that sleep. */
export interface Attendance {
  /** Somebody needs a sleeping instance. Callers at the same time share one statement. Never throws. */
  wake(instanceId: string): Promise<void>
  /** Somebody uses it now. Costs nothing per request: written together, now and then. */
  seen(instanceId: string): void
  close(): Promise<void>
}

/** Well below the shortest time after which an instance sleeps. */
const writeMilliseconds = 15_000

export function createAttendance(deps: {
  database: Database
  log: Logger
  settle(instanceId: string): Promise<void>
}): Attendance {
  const { database, log } = deps
  const wakes = new Map<string, Promise<void>>()
  const unwritten = new Set<string>()
  /** Written within the last interval; being seen again is written with its end. */
  let written = new Set<string>()
  let writing = Promise.resolve()

  const wakeOnce = async (instanceId: string): Promise<void> => {
    try {
      if (await database.asSystem((trx) => wake(trx, instanceId))) await deps.settle(instanceId)
    } catch (error) {
      log.warn({ err: error, instanceId }, 'an instance was not woken; the request that waits asks again')
    } finally {
      wakes.delete(instanceId)
    }
  }
  const wakeTogether: Attendance['wake'] = (instanceId) => {
    const underWay = wakes.get(instanceId) ?? wakeOnce(instanceId)
    wakes.set(instanceId, underWay)
    return underWay
  }

  const write = (): void => {
    if (unwritten.size === 0) return
    const ids = [...unwritten]
    unwritten.clear()
    for (const id of ids) written.add(id)
    writing = writing
      .then(() => database.asSystem((trx) => recordSeen(trx, ids)))
      // It was let down just as the request came: the request is stuck in a machine that stands still.
      .then((asleep) => Promise.all(asleep.map(wakeTogether)))
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
      if (unwritten.has(instanceId)) return
      unwritten.add(instanceId)
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

/** In the order of ids, so that two control planes never wait for each other. Returns those that sleep. */
async function recordSeen(
  trx: Parameters<Parameters<Database['asSystem']>[0]>[0],
  ids: string[],
): Promise<string[]> {
  const { rows } = await sql<{ id: string; asleep: boolean }>`
    with locked as (select id from instances where id = any(${ids}::uuid[]) order by id for no key update)
    update instances set last_active_at = clock_timestamp() from locked where instances.id = locked.id
    returning instances.id, instances.desired_state = 'running' and instances.rung <> 'active' as asleep`.execute(
    trx,
  )
  return rows.filter((row) => row.asleep).map((row) => row.id)
}
