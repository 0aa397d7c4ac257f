import { sql } from 'kysely'
import type { Database, Trx } from '../../db/database.ts'
import type { InstanceStatus } from '../../db/schema.ts'
import type { HostReport } from '../instances/compute.ts'
import type { ComputeDrivers } from '../instances/drivers.ts'

/** What an operator sees of the whole Reef. */
export interface Overview {
  driver: string
  pool: { wanted: number; available: number; booting: number }
  instances: { status: InstanceStatus; count: number }[]
  controlPlanes: { id: string; startedAt: Date; heartbeatAt: Date; specVersion: string }[]
  hosts: HostSummary[]
  /** Why the hosts could not be asked, if they could not. */
  hostsProblem: string | null
  queue: QueueEntry[]
  problems: Problem[]
}

export interface HostSummary extends Omit<HostReport, 'slots'> {
  slotCount: number
  pausedCount: number
  residentBytes: number
  swappedBytes: number
}

/** A slot that waits for room, first in line first. */
export interface QueueEntry {
  instanceId: string | null
  instanceName: string | null
  organizationName: string | null
  waitingSince: Date
}

/** An instance that does not run although its owner wants it to. */
export interface Problem {
  instanceId: string
  instanceName: string
  organizationName: string
  code: string
  message: string
  since: Date
}

const rowsMax = 200

export interface Overviews {
  get(): Promise<Overview>
}

export function createOverviews(deps: {
  database: Database
  drivers: ComputeDrivers
  poolSize: number
}): Overviews {
  return {
    get: async () => {
      const [stored, hosts] = await Promise.all([
        deps.database.asSystem((trx) => readStored(trx, deps.drivers.current.name)),
        readHosts(deps.drivers),
      ])
      return {
        driver: deps.drivers.current.name,
        ...stored,
        pool: { wanted: deps.poolSize, ...stored.pool },
        ...hosts,
      }
    },
  }
}

async function readHosts(drivers: ComputeDrivers): Promise<Pick<Overview, 'hosts' | 'hostsProblem'>> {
  try {
    const reports = (await drivers.current.hosts?.()) ?? []
    return { hosts: reports.map(summarize), hostsProblem: null }
  } catch (error) {
    return { hosts: [], hostsProblem: error instanceof Error ? error.message : String(error) }
  }
}

function summarize({ slots, ...host }: HostReport): HostSummary {
  const sum = (bytes: (slot: HostReport['slots'][number]) => number) =>
    slots.reduce((total, slot) => total + bytes(slot), 0)
  return {
    ...host,
    slotCount: slots.length,
    pausedCount: slots.filter((slot) => slot.paused).length,
    residentBytes: sum((slot) => slot.residentBytes),
    swappedBytes: sum((slot) => slot.swappedBytes),
  }
}

async function readStored(trx: Trx, driver: string) {
  const pool = await trx
    .selectFrom('slots')
    .select(['state', sql<number>`count(*)::int`.as('count')])
    .where('driver', '=', driver)
    .where('state', 'in', ['available', 'initializing'])
    .groupBy('state')
    .execute()
  const poolCount = (state: string) => pool.find((row) => row.state === state)?.count ?? 0
  return {
    pool: { available: poolCount('available'), booting: poolCount('initializing') },
    instances: await trx
      .selectFrom('instances')
      .select(['status', sql<number>`count(*)::int`.as('count')])
      .where('status', '<>', 'deleted')
      .groupBy('status')
      .orderBy('status')
      .execute(),
    controlPlanes: await trx
      .selectFrom('nodes')
      .select(['id', 'started_at as startedAt', 'heartbeat_at as heartbeatAt', 'spec_version as specVersion'])
      .orderBy('started_at')
      .execute(),
    queue: await readQueue(trx, driver),
    problems: await readProblems(trx),
  }
}

/** In the order in which room is given: people before the pool, then whoever has waited longest. */
function readQueue(trx: Trx, driver: string): Promise<QueueEntry[]> {
  return trx
    .selectFrom('slots')
    .leftJoin('instances', 'instances.id', 'slots.instance_id')
    .leftJoin('organizations', 'organizations.id', 'instances.organization_id')
    .select((row) => [
      'instances.id as instanceId',
      'instances.name as instanceName',
      'organizations.name as organizationName',
      row.ref('slots.waiting_since').$notNull().as('waitingSince'),
    ])
    .where('slots.driver', '=', driver)
    .where('slots.waiting_since', 'is not', null)
    .where('slots.pending_reason', '=', 'no_capacity')
    .where('slots.failure_code', 'is', null)
    .orderBy(sql`slots.instance_id is null`)
    .orderBy('slots.waiting_since')
    .orderBy('slots.id')
    .limit(rowsMax)
    .execute()
}

function readProblems(trx: Trx): Promise<Problem[]> {
  return trx
    .selectFrom('instances')
    .innerJoin('organizations', 'organizations.id', 'instances.organization_id')
    .select((row) => [
      'instances.id as instanceId',
      'instances.name as instanceName',
      'organizations.name as organizationName',
      row.fn.coalesce('instances.reason_code', sql<string>`'unknown'`).as('code'),
      row.fn.coalesce('instances.reason_message', sql<string>`''`).as('message'),
      'instances.updated_at as since',
    ])
    .where('instances.status', '=', 'failed')
    .orderBy('instances.updated_at', 'desc')
    .limit(rowsMax)
    .execute()
}
