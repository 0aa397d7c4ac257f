import { sql } from 'kysely'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../../../test/support/database.ts'
import { newId } from '../../ids.ts'
import type { ComputeDriver, HostReport } from '../instances/compute.ts'
import type { ComputeDrivers } from '../instances/drivers.ts'
import { createHostRecords, createHosts } from './hosts.ts'

let database: TestDatabase
beforeAll(async () => {
  database = await createTestDatabase()
})
afterAll(() => database.drop())

const report = (name: string, state: HostReport['state']): HostReport => ({
  name,
  state,
  memoryTotalBytes: 1,
  memoryAvailableBytes: 1,
  swapTotalBytes: 0,
  swapFreeBytes: 0,
  zramTotalBytes: 0,
  diskTotalBytes: 0,
  diskFreeBytes: 0,
  cpus: 1,
  slots: [],
})

/** Only what is asked of it here. */
function driversWith(names: string[]): ComputeDrivers {
  const records = createHostRecords(database, 'docker')
  const hosts = async () => {
    const draining = await records.findDraining()
    return names.map((name) => report(name, draining.has(name) ? 'draining' : 'active'))
  }
  return { current: { name: 'docker', hosts } as Partial<ComputeDriver> as ComputeDriver } as ComputeDrivers
}

async function newSlot(): Promise<string> {
  const id = newId()
  await database.asSystem((trx) =>
    sql`insert into slots (id, driver, state, spec_version) values (${id}, 'docker', 'initializing', '1')`.execute(
      trx,
    ),
  )
  return id
}

test('a slot is placed once, whoever asks and however often', async () => {
  const records = createHostRecords(database, 'docker')
  const slotId = await newSlot()
  expect(await records.findPlace(slotId)).toBeUndefined()
  const places = await Promise.all(
    Array.from({ length: 20 }, (_, index) => records.place(slotId, index % 2 ? 'a' : 'b')),
  )
  expect(new Set(places).size).toBe(1)
  expect(await records.findPlace(slotId)).toBe(places[0])
})

test('a drained host is draining to every control plane until it is let in again', async () => {
  const hosts = createHosts({ database, drivers: driversWith(['a', 'b']) })
  expect((await hosts.list()).map((host) => host.state)).toEqual(['active', 'active'])
  expect((await hosts.setState('b', 'draining')).state).toBe('draining')
  expect((await hosts.setState('b', 'draining')).state).toBe('draining')
  expect([...(await createHostRecords(database, 'docker').findDraining())]).toEqual(['b'])
  expect([...(await createHostRecords(database, 'other').findDraining())]).toEqual([])
  await hosts.setState('b', 'active')
  expect((await createHostRecords(database, 'docker').findDraining()).size).toBe(0)
})

test('a host that the driver does not have is not there', async () => {
  const hosts = createHosts({ database, drivers: driversWith(['a']) })
  await expect(hosts.setState('c', 'draining')).rejects.toMatchObject({ kind: 'notFound' })
  const none = createHosts({ database, drivers: { current: { name: 'process' } } as ComputeDrivers })
  await expect(none.setState('a', 'draining')).rejects.toMatchObject({ code: 'hosts_unknown' })
  expect(await none.list()).toEqual([])
})
