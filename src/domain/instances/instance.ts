import type { Selectable } from 'kysely'
import type { Trx } from '../../db/database.ts'
import type { DesiredState, InstanceStatus, LastUpgrade, LaunchStep, Tables } from '../../db/schema.ts'
import type { Principal } from '../accounts/principal.ts'
import { actionsOf, type InstanceAction } from './actions.ts'
import type { ComputeCapabilities } from './compute.ts'
import type { ComputeDrivers } from './drivers.ts'
import type { InstanceRow } from './lifecycle.ts'
import type { Reason } from './reasons.ts'
import { type Sleep, sleepOf } from './sleep.ts'

/** An instance as a person sees it; the shape of `instanceSchema`. */
export interface Instance {
  id: string
  name: string
  slug: string
  status: InstanceStatus
  desiredState: DesiredState
  reason: Reason | null
  sleep: Sleep | null
  upgrade: LastUpgrade | null
  steps: LaunchStep[]
  actions: InstanceAction[]
  driver: string
  /** What its running time costs goes by it, and how soon it falls asleep. */
  plan: string
  isolation: ComputeCapabilities['isolation']
  url: string
  openclawVersion: string | null
  memoryBytes: number | null
  cpuPercent: number | null
  sessionId: string | null
  runningSince: string | null
  createdAt: string
}

type Slots = Selectable<Tables['slots']>
/** An instance with what its slot and its open session add to it. */
export type InstanceDetails = InstanceRow & {
  slot_id: string | null
  openclaw_version: Slots['openclaw_version']
  memory_bytes: Slots['memory_bytes']
  cpu_percent: Slots['cpu_percent']
  spec_version: Slots['spec_version'] | null
  session_id: string | null
}

export interface ViewOptions {
  /** The instance's own address. */
  addressOf(slug: string): string
  isolationOf: ComputeDrivers['isolationOf']
  canSuspend(driver: string): boolean
  /** Whether a machine of this software could be made anew of newer software. */
  isOutdated(driver: string, specVersion: string): boolean
}

/** Live instances with their details, for a transaction that `inTenant` limits to one organization. */
export function selectDetails(trx: Trx) {
  return trx
    .selectFrom('instances')
    .leftJoin('slots', 'slots.instance_id', 'instances.id')
    .leftJoin('sessions', (join) =>
      join.onRef('sessions.instance_id', '=', 'instances.id').on('sessions.closed_at', 'is', null),
    )
    .selectAll('instances')
    .select([
      'slots.id as slot_id',
      'slots.spec_version',
      'slots.openclaw_version',
      'slots.memory_bytes',
      'slots.cpu_percent',
      'sessions.id as session_id',
    ])
    .where('instances.status', '<>', 'deleted')
}

/**
 * Within an organization, an instance is seen by its owner and by those who administer the organization; the rest of
 * the members cannot tell that it exists.
 */
export function maySee(principal: Principal, instance: Pick<InstanceRow, 'owner_user_id'>): boolean {
  return instance.owner_user_id === principal.userId || principal.role !== 'member'
}

export function toInstance(row: InstanceDetails, viewerUserId: string, options: ViewOptions): Instance {
  const live = row.status === 'running'
  return {
    id: row.id,
    name: row.name,
    slug: row.slug,
    status: row.status,
    desiredState: row.desired_state,
    reason: row.reason_code === null ? null : { code: row.reason_code, message: row.reason_message ?? '' },
    sleep: sleepOf(row),
    upgrade: row.last_upgrade,
    steps: row.steps,
    actions: actionsOf(row.status, {
      isOwner: row.owner_user_id === viewerUserId,
      isAsleep: sleepOf(row) !== null,
      isHeld: row.credit_hold !== null,
      canSuspend: options.canSuspend(row.driver),
      canUpgrade: row.spec_version !== null && options.isOutdated(row.driver, row.spec_version),
    }),
    driver: row.driver,
    plan: row.plan,
    isolation: options.isolationOf(row.driver),
    url: options.addressOf(row.slug),
    openclawVersion: row.openclaw_version,
    // What was measured of a machine that has since ended would be read as current.
    memoryBytes: live ? row.memory_bytes : null,
    cpuPercent: live ? row.cpu_percent : null,
    sessionId: row.session_id,
    runningSince: row.running_since?.toISOString() ?? null,
    createdAt: row.created_at.toISOString(),
  }
}
