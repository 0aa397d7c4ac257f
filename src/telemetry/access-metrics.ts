import { Gauge, type Registry } from '@prometheus-io/client'
import { sql } from 'kysely'
import type { Trx } from '../db/database.ts'

/** Figures of secrets and custom domains, counted at each scrape. */
export function createAccessMetrics(registry: Registry): { refresh(trx: Trx): Promise<void> } {
  const registers = [registry]
  const secrets = new Gauge({
    name: 'reef_secrets',
    help: 'Secrets by the key-encryption key that they are under; a key without any can be thrown away.',
    labelNames: ['key'],
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
      const keys = await trx
        .selectFrom('secrets')
        .select(['key_id', sql<number>`count(*)::int`.as('count')])
        .groupBy('key_id')
        .execute()
      const states = await trx
        .selectFrom('domains')
        .select(['state', sql<number>`count(*)::int`.as('count')])
        .groupBy('state')
        .execute()
      secrets.reset()
      domains.reset()
      for (const row of keys) secrets.set({ key: row.key_id }, row.count)
      for (const row of states) domains.set({ state: row.state }, row.count)
    },
  }
}
