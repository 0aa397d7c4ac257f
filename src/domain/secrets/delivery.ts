import { sql } from 'kysely'
import type { Database } from '../../db/database.ts'
import { newId } from '../../ids.ts'
import { type DeliveredSecret, narrowest, scopeOf, sealContext } from './secret.ts'
import type { SecretBox } from './secret-box.ts'

/** The only way on which values leave the database: to the slot of the instance that they are for. */
export interface SecretDelivery {
  /** Values by instance, sorted by name; an instance without any is missing. */
  load(instanceIds: readonly string[]): Promise<Map<string, DeliveredSecret[]>>
  /** Writes down that a slot was given these, once for each version and link. */
  record(delivery: Delivery): Promise<void>
}

export interface Delivery {
  slotId: string
  linkConnectedAt: Date
  instanceId: string
  secrets: readonly Pick<DeliveredSecret, 'id' | 'version'>[]
}

export interface SecretDeliveryDeps {
  database: Database
  box: SecretBox
  /** A secret that cannot be opened is left out; the others are delivered. */
  onUnusable(error: unknown, secret: { id: string; name: string; organizationId: string }): void
}

export function createSecretDelivery(deps: SecretDeliveryDeps): SecretDelivery {
  const { database, box } = deps

  const open = async (row: Row): Promise<DeliveredSecret[]> => {
    const { id, name, version, organization_id: organizationId } = row
    try {
      const plaintext = await box.open(row.sealed, sealContext({ organizationId, id, version }))
      const value = plaintext.toString()
      plaintext.fill(0)
      return [{ id, name, value, version, exposeToTools: row.expose_to_tools }]
    } catch (error) {
      deps.onUnusable(error, { id, name, organizationId })
      return []
    }
  }

  return {
    load: async (instanceIds) => {
      const rows = instanceIds.length === 0 ? [] : await loadRows(database, instanceIds)
      const byInstance = Map.groupBy(rows, (row) => row.for_instance_id)
      const loaded = new Map<string, DeliveredSecret[]>()
      for (const [instanceId, all] of byInstance) {
        const used = narrowest(all.map((row) => ({ ...row, scope: scopeOf(row) })))
        loaded.set(instanceId, (await Promise.all(used.map(open))).flat())
      }
      return loaded
    },

    record: async ({ slotId, linkConnectedAt, instanceId, secrets }) => {
      if (secrets.length === 0) return
      await database.asSystem(async (trx) => {
        const rows = await trx
          .selectFrom('secrets')
          .select(['id', 'organization_id', 'instance_id', 'session_id', 'name', 'version'])
          .where(
            'id',
            'in',
            secrets.map(({ id }) => id),
          )
          .execute()
        const versions = new Map(secrets.map(({ id, version }) => [id, version]))
        for (const row of rows)
          await trx
            .insertInto('secret_events')
            .values({
              id: newId(),
              organization_id: row.organization_id,
              instance_id: instanceId,
              session_id: row.session_id,
              secret_id: row.id,
              name: row.name,
              scope: scopeOf(row),
              kind: 'delivered',
              version: versions.get(row.id) ?? row.version,
              user_id: null,
              slot_id: slotId,
              link_connected_at: linkConnectedAt,
            })
            .onConflict((known) => known.doNothing())
            .execute()
        await trx
          .updateTable('secrets')
          .set({ delivered_at: sql`now()` })
          .where(
            'id',
            'in',
            rows.map(({ id }) => id),
          )
          .execute()
      })
    },
  }
}

type Row = Awaited<ReturnType<typeof loadRows>>[number]

/** An instance's organization decides which secrets are its organization's, whatever else a row says. */
function loadRows(database: Database, instanceIds: readonly string[]) {
  return database.asSystem((trx) =>
    trx
      .selectFrom('instances')
      .innerJoin('secrets', 'secrets.organization_id', 'instances.organization_id')
      .leftJoin('sessions', 'sessions.id', 'secrets.session_id')
      .select([
        'instances.id as for_instance_id',
        'secrets.id',
        'secrets.organization_id',
        'secrets.instance_id',
        'secrets.session_id',
        'secrets.name',
        'secrets.version',
        'secrets.sealed',
        'secrets.expose_to_tools',
      ])
      .where('instances.id', 'in', instanceIds)
      .where('instances.desired_state', '<>', 'deleted')
      .where((or) =>
        or.or([
          or('secrets.instance_id', 'is', null),
          or('secrets.instance_id', '=', or.ref('instances.id')),
        ]),
      )
      .where((or) => or.or([or('secrets.session_id', 'is', null), or('sessions.closed_at', 'is', null)]))
      .execute(),
  )
}
