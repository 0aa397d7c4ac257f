import { sql } from 'kysely'
import type { Database, Trx } from '../../db/database.ts'
import { notify } from '../../db/notify.ts'

/** What a gate has counted for one slot since it last said so. */
export interface EgressReport {
  denied: { slotId: string; host: string; port: number; reason: string; attempts: number }[]
  traffic: { slotId: string; sentBytes: number; receivedBytes: number }[]
}

/** So many different refusals of one instance are kept per hour; an instance that tries a whole dictionary shows that. */
const deniedPerHourMax = 200
const deniedDays = 7
const trafficDays = 31

/** Adds a report of one host's gate; slots of other hosts, and such that nobody owns, are not the gate's to speak of. */
export async function recordEgress(
  database: Database,
  where: { driver: string; host: string },
  report: EgressReport,
): Promise<void> {
  await database.asSystem(async (trx) => {
    const owners = await findOwners(trx, where, [
      ...new Set([...report.denied, ...report.traffic].map((one) => one.slotId)),
    ])
    const hinted = new Set<string>()
    for (const denied of report.denied) {
      const owner = owners.get(denied.slotId)
      if (owner && (await insertDenied(trx, owner, denied))) hinted.add(owner.instanceId)
    }
    for (const traffic of report.traffic) {
      const owner = owners.get(traffic.slotId)
      if (owner) await addTraffic(trx, owner, traffic)
    }
    for (const instanceId of hinted) await notify(trx, 'instance_changed', instanceId)
  })
}

interface Owner {
  instanceId: string
  organizationId: string
}

async function findOwners(
  trx: Trx,
  where: { driver: string; host: string },
  slotIds: string[],
): Promise<Map<string, Owner>> {
  const rows = await trx
    .selectFrom('slots')
    .innerJoin('instances', 'instances.id', 'slots.instance_id')
    .select([
      'slots.id as slotId',
      'instances.id as instanceId',
      'instances.organization_id as organizationId',
    ])
    .where('slots.driver', '=', where.driver)
    .where(sql<string>`slots.handle ->> 'host'`, '=', where.host)
    // As text: what a gate calls a slot need not be an id.
    .where(sql<boolean>`slots.id::text = any(${slotIds})`)
    .execute()
  return new Map(rows.map((row) => [row.slotId, row]))
}

/** True when the instance had not tried this in this minute before. */
async function insertDenied(trx: Trx, owner: Owner, one: EgressReport['denied'][number]): Promise<boolean> {
  const { rows } = await sql<{ isNew: boolean }>`
    insert into egress_denied as known (organization_id, instance_id, at, host, port, reason, attempts)
    select ${owner.organizationId}::uuid, ${owner.instanceId}::uuid, date_trunc('minute', clock_timestamp()),
      ${one.host}, ${one.port}, ${one.reason}, ${one.attempts}
    where (select count(*) from egress_denied where instance_id = ${owner.instanceId}
      and at > clock_timestamp() - interval '1 hour') < ${deniedPerHourMax}
    on conflict (instance_id, at, host, port, reason)
      do update set attempts = known.attempts + excluded.attempts
    returning (xmax = 0) as "isNew"`.execute(trx)
  return rows[0]?.isNew ?? false
}

async function addTraffic(trx: Trx, owner: Owner, one: EgressReport['traffic'][number]): Promise<void> {
  await sql`
    insert into egress_traffic as known (organization_id, instance_id, at, sent_bytes, received_bytes)
    values (${owner.organizationId}, ${owner.instanceId}, date_trunc('hour', clock_timestamp()),
      ${one.sentBytes}, ${one.receivedBytes})
    on conflict (instance_id, at) do update set sent_bytes = known.sent_bytes + excluded.sent_bytes,
      received_bytes = known.received_bytes + excluded.received_bytes`.execute(trx)
}

export async function pruneEgress(database: Database): Promise<void> {
  await database.asSystem(async (trx) => {
    await sql`delete from egress_denied where at < clock_timestamp() - make_interval(days => ${deniedDays})`.execute(
      trx,
    )
    await sql`delete from egress_traffic where at < clock_timestamp() - make_interval(days => ${trafficDays})`.execute(
      trx,
    )
  })
}
