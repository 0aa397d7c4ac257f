import { sql } from 'kysely'
import type { Trx } from '../../db/database.ts'
import { type Effective, effectiveEgress, type Wished } from './effective.ts'

/** A slot on one host, with where it is in its host's networks and what it may reach. */
export interface SlotEgress {
  slotId: string
  /** The driver's; read by whoever knows the driver. */
  handle: unknown
  egress: Effective
}

/** Every slot of a driver on the named host, in a stable order. For system transactions. */
export async function loadSlotEgress(
  trx: Trx,
  where: { driver: string; host: string },
  openPermitted: boolean,
): Promise<SlotEgress[]> {
  const slots = await trx
    .selectFrom('slots')
    .leftJoin('instances', 'instances.id', 'slots.instance_id')
    .select(['slots.id as slotId', 'slots.handle', 'slots.instance_id', 'instances.organization_id'])
    .where('slots.driver', '=', where.driver)
    .where('slots.state', '<>', 'removed')
    .where(sql<string>`slots.handle ->> 'host'`, '=', where.host)
    .orderBy('slots.id')
    .execute()
  const organizationIds = [...new Set(slots.flatMap((slot) => slot.organization_id ?? []))]
  const wishes = await loadWishes(trx, organizationIds)
  return slots.map(({ slotId, handle, instance_id, organization_id }) => ({
    slotId,
    handle,
    egress: effectiveEgress(
      organization_id === null ? null : wishes.of(organization_id, null),
      organization_id === null ? null : wishes.of(organization_id, instance_id),
      openPermitted,
    ),
  }))
}

async function loadWishes(trx: Trx, organizationIds: string[]) {
  const wishes = new Map<string, Wished>()
  const of = (organizationId: string, instanceId: string | null): Wished => {
    const key = `${organizationId} ${instanceId ?? ''}`
    const known = wishes.get(key)
    if (known) return known
    const wished: Wished = { mode: null, rules: [] }
    wishes.set(key, wished)
    return wished
  }
  if (organizationIds.length === 0) return { of }
  const settings = await trx
    .selectFrom('egress_settings')
    .select(['organization_id', 'instance_id', 'mode'])
    .where('organization_id', 'in', organizationIds)
    .execute()
  const rules = await trx
    .selectFrom('egress_rules')
    .select(['organization_id', 'instance_id', 'domain', 'ports'])
    .where('organization_id', 'in', organizationIds)
    .orderBy('domain')
    .execute()
  for (const row of settings) of(row.organization_id, row.instance_id).mode = row.mode
  for (const { organization_id, instance_id, domain, ports } of rules)
    of(organization_id, instance_id).rules.push({ domain, ports })
  return { of }
}
