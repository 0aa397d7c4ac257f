import { sql } from 'kysely'
import type { Trx } from '../../db/database.ts'
import type { EgressMode } from '../../db/tables/egress.ts'
import type { ComputeDriver } from '../instances/compute.ts'
import { effectiveEgress, type Rule } from './effective.ts'

/** Whose list, and the driver of what it holds for. */
export interface Place {
  organizationId: string
  /** Null: the organization's. */
  instanceId: string | null
  driver: Pick<ComputeDriver, 'name' | 'capabilities'>
}

/** What may be reached, as a person sees it. */
export interface EgressView {
  /** As it was set here; null on an instance that follows its organization. */
  ownMode: EgressMode | null
  /** What holds. */
  mode: EgressMode
  openPermitted: boolean
  /** Whether the driver holds instances to it at all, and in words what that means. */
  enforced: boolean
  notice: string
  /** Of an instance: its own and those of its organization. */
  rules: (Rule & { inherited: boolean; createdAt: string })[]
  /** Through the gate in the last 24 hours; null for an organization. */
  traffic: { sentBytes: number; receivedBytes: number } | null
}

export async function loadView(trx: Trx, at: Place, openPermitted: boolean): Promise<EgressView> {
  const ofPlace = sql<boolean>`(instance_id is null or instance_id = ${at.instanceId}::uuid)`
  const modes = await trx
    .selectFrom('egress_settings')
    .select(['instance_id', 'mode'])
    .where('organization_id', '=', at.organizationId)
    .where(ofPlace)
    .execute()
  const rules = await trx
    .selectFrom('egress_rules')
    .select(['instance_id', 'domain', 'ports', 'created_at'])
    .where('organization_id', '=', at.organizationId)
    .where(ofPlace)
    .orderBy('domain')
    .orderBy('instance_id')
    .execute()
  const modeOf = (instanceId: string | null) =>
    modes.find((row) => row.instance_id === instanceId)?.mode ?? null
  const own = at.instanceId === null ? null : { mode: modeOf(at.instanceId), rules: [] }
  const effective = effectiveEgress({ mode: modeOf(null), rules: [] }, own, openPermitted)
  return {
    ownMode: modeOf(at.instanceId),
    mode: effective.mode === 'open' ? 'open' : 'allow_list',
    openPermitted,
    enforced: at.driver.capabilities.egressControl,
    notice: noticeOf(at.driver),
    rules: rules.map((row) => ({
      domain: row.domain,
      ports: row.ports,
      inherited: row.instance_id !== at.instanceId,
      createdAt: row.created_at.toISOString(),
    })),
    traffic: at.instanceId === null ? null : await loadTraffic(trx, at.instanceId),
  }
}

function noticeOf({ name, capabilities }: Place['driver']): string {
  return capabilities.egressControl
    ? 'Instances reach nothing but what is allowed here, whatever runs in them. A change holds at once.'
    : `The ${name} driver cannot restrict what instances reach: they reach whatever their machine reaches, and this list is only kept. With the docker driver it is enforced.`
}

async function loadTraffic(
  trx: Trx,
  instanceId: string,
): Promise<{ sentBytes: number; receivedBytes: number }> {
  const { rows } = await sql<{ sentBytes: number; receivedBytes: number }>`
    select coalesce(sum(sent_bytes), 0)::bigint as "sentBytes", coalesce(sum(received_bytes), 0)::bigint as "receivedBytes"
    from egress_traffic where instance_id = ${instanceId} and at > now() - interval '24 hours'`.execute(trx)
  return rows[0] ?? { sentBytes: 0, receivedBytes: 0 }
}
