import { sql } from 'kysely'
import { advisoryLocks } from '../../db/advisory-locks.ts'
import type { Database, Trx } from '../../db/database.ts'
import { type ComputeDriver, ComputeError, type HostReport } from './compute.ts'
import { hasRoom, type MemoryNeeds, type Newcomer } from './room.ts'
import type { SlotRow } from './slot-lifecycle.ts'
import { databaseNow } from './store.ts'

/** Lets a machine run only where it fits. */
export interface Admission {
  /** Throws a `ComputeError` for want of room, after which the slot takes its place in the queue. */
  admit(driver: ComputeDriver, slot: SlotRow, kind: Newcomer['kind']): Promise<void>
}

/** How old a report may be that decides; looking at hosts takes longer than waking does. */
const reportMilliseconds = 5_000
/** By then a newcomer has the memory that it takes, and its host's report shows it. */
const growingSeconds = 60
/** So many are frozen early for one that does not fit. */
const frozenEarlyMax = 4

export function createAdmission(deps: {
  database: Database
  monotonicNow?: () => number
  needs?: MemoryNeeds | undefined
}): Admission {
  const { database } = deps
  const monotonicNow = deps.monotonicNow ?? (() => performance.now())
  const reports = new Map<string, { at: number; hosts: Promise<HostReport[]> }>()

  const look = (driver: ComputeDriver): Promise<HostReport[]> => {
    const known = reports.get(driver.name)
    if (known && monotonicNow() - known.at < reportMilliseconds) return known.hosts
    const hosts = driver.hosts?.() ?? Promise.resolve([])
    reports.set(driver.name, { at: monotonicNow(), hosts })
    // Nobody is refused for what could not be found out.
    hosts.catch(() => reports.delete(driver.name))
    return hosts.catch(() => [])
  }

  return {
    admit: async (driver, slot, kind) => {
      if (!driver.hosts) return
      // It only stood still: all of its memory is there.
      if (kind === 'resume' && slot.frozen === null) return
      const newcomer: Newcomer = { slotId: slot.id, kind, frozen: slot.frozen }
      const hosts = await look(driver)
      const admitted = await database.asSystem(async (trx) => {
        await sql`select pg_advisory_xact_lock(${advisoryLocks.admission})`.execute(trx)
        const others = await justAdmitted(trx, driver.name)
        if (!hasRoom(hosts, newcomer, others, deps.needs)) return false
        await trx.updateTable('slots').set({ admitted_at: databaseNow }).where('id', '=', slot.id).execute()
        return true
      })
      if (admitted) return
      reports.delete(driver.name)
      if (driver.capabilities.freeze) await database.asSystem((trx) => freezeEarly(trx, driver.name))
      throw new ComputeError('no_capacity', 'The hosts have no memory or disk left for one more.')
    },
  }
}

async function justAdmitted(trx: Trx, driver: string): Promise<Newcomer[]> {
  const { rows } = await sql<Newcomer>`
    select id as "slotId", case when resumed_at >= started_at then 'resume' else 'boot' end as kind,
      case when resumed_at >= started_at then 'memory' end as frozen
    from slots where driver = ${driver} and admitted_at > clock_timestamp() - make_interval(secs => ${growingSeconds})
      -- Under a lease it is being made or woken just now; what has ended or was frozen since has given its room back.
      and (lease_owner is not null or phase in ('starting', 'running', 'suspended') and frozen is null)`.execute(
    trx,
  )
  return rows
}

/** Makes room: whoever merely stands still gives back memory now instead of a few minutes later. */
async function freezeEarly(trx: Trx, driver: string): Promise<void> {
  await sql`
    update instances set rung = 'frozen', rung_since = clock_timestamp(), next_reconcile_at = clock_timestamp()
    where id in (select id from instances
      where driver = ${driver} and rung = 'suspended' and desired_state = 'running'
      order by last_active_at limit ${frozenEarlyMax} for no key update skip locked)`.execute(trx)
}
