import { Gauge, type Registry } from '@prometheus-io/client'
import { sql } from 'kysely'
import type { Trx } from '../db/database.ts'

/** Figures of secrets and custom domains, counted at each scrape. */
export function createAccessMetrics(registry: Registry): { refresh(trx: Trx): Promise<void> } {
  const registers = [registry]
  const sealed = new Gauge({
    name: 'reef_sealed_values',
    help: 'Secrets and keys of backups, by the key-encryption key that they are under; one without any can be thrown away.',
    labelNames: ['kind', 'key'],
    registers,
  })
  const domains = new Gauge({
    name: 'reef_domains',
    help: 'Custom domains by state; only verified ones lead to an instance.',
    labelNames: ['state'],
    registers,
  })
  return {
    refresh: async (trx) => {
      const secrets = await trx
        .selectFrom('secrets')
        .select(['key_id', sql<number>`count(*)::int`.as('count')])
        .groupBy('key_id')
        .execute()
      const keyOf = sql<string>`split_part(sealed_identity, '.', 2)`
      const backupKeys = await trx
        .selectFrom('backup_keys')
        .select([keyOf.as('key_id'), sql<number>`count(*)::int`.as('count')])
        .groupBy(keyOf)
        .execute()
      const states = await trx
        .selectFrom('domains')
        .select(['state', sql<number>`count(*)::int`.as('count')])
        .groupBy('state')
        .execute()
      sealed.reset()
      domains.reset()
      for (const row of secrets) sealed.set({ kind: 'secret', key: row.key_id }, row.count)
      for (const row of backupKeys) sealed.set({ kind: 'backup_key', key: row.key_id }, row.count)
      for (const row of states) domains.set({ state: row.state }, row.count)
    },
  }
}
