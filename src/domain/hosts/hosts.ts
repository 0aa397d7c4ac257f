import { sql } from 'kysely'
import type { Database } from '../../db/database.ts'
import { notFound, unavailable } from '../../errors.ts'
import type { HostReport } from '../instances/compute.ts'
import type { ComputeDrivers } from '../instances/drivers.ts'

/** What a driver with several hosts asks of the database. */
export interface HostRecords {
  /** Hosts on which operators want no new slot. */
  findDraining(): Promise<Set<string>>
  /** Where a slot was placed; undefined when it was not yet. */
  findPlace(slotId: string): Promise<string | undefined>
  /** Places a slot, for good: answers the host that it is placed on by now, which another control plane may have chosen. */
  place(slotId: string, host: string): Promise<string>
}

export function createHostRecords(database: Database, driver: string): HostRecords {
  return {
    findDraining: () =>
      database.asSystem(async (trx) => {
        const rows = await trx
          .selectFrom('hosts')
          .select('name')
          .where('driver', '=', driver)
          .where('state', '=', 'draining')
          .execute()
        return new Set(rows.map((row) => row.name))
      }),
    findPlace: (slotId) =>
      database.asSystem(async (trx) => {
        const row = await trx.selectFrom('slots').select('host').where('id', '=', slotId).executeTakeFirst()
        return row?.host ?? undefined
      }),
    place: (slotId, host) =>
      database.asSystem(async (trx) => {
        const row = await trx
          .updateTable('slots')
          .set({ host: sql`coalesce(host, ${host})` })
          .where('id', '=', slotId)
          .returning('host')
          .executeTakeFirst()
        return row?.host ?? host
      }),
  }
}

/** The hosts as an operator sees and drains them. */
export interface Hosts {
  list(): Promise<HostReport[]>
  /** Throws not found for a host that the driver does not have. Wanted already is success. */
  setState(name: string, state: 'active' | 'draining'): Promise<HostReport>
}

export function createHosts(deps: { database: Database; drivers: ComputeDrivers }): Hosts {
  const { current } = deps.drivers
  const list = async (): Promise<HostReport[]> => (await current.hosts?.()) ?? []
  const get = async (name: string): Promise<HostReport> => {
    const host = (await list()).find((candidate) => candidate.name === name)
    if (!host) throw notFound(`the driver ${current.name} has no host ${name}`)
    return host
  }
  return {
    list,
    setState: async (name, state) => {
      if (!current.hosts)
        throw unavailable('hosts_unknown', `The driver ${current.name} has no hosts to drain.`)
      await get(name)
      await deps.database.asSystem((trx) =>
        trx
          .insertInto('hosts')
          .values({ driver: current.name, name, state })
          .onConflict((existing) =>
            existing.columns(['driver', 'name']).doUpdateSet({ state, changed_at: sql`clock_timestamp()` }),
          )
          .execute(),
      )
      return get(name)
    },
  }
}
