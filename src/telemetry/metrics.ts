import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from '@prometheus-io/client'
import { sql } from 'kysely'
import type { Database } from '../db/database.ts'
import { createAccessMetrics } from './access-metrics.ts'

/** Figures for operators. No label names a tenant, a person or an instance. */
export interface Metrics {
  /** The Prometheus text format. */
  render(): Promise<{ contentType: string; text: string }>
  observeApi(route: string, method: string, status: number, seconds: number): void
  observeProxy(route: string, status: number, seconds: number): void
}

/** From a loopback round trip to a long streamed answer. */
const secondsBuckets = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120]

export function createMetrics(database: Database): Metrics {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const registers = [registry]
  const access = createAccessMetrics(registry)
  const api = new Histogram({
    name: 'reef_http_request_seconds',
    help: 'Time from request to the end of the answer, by route pattern.',
    labelNames: ['route', 'method', 'status'],
    buckets: secondsBuckets,
    registers,
  })
  const proxy = new Histogram({
    name: 'reef_proxy_request_seconds',
    help: 'Time from request to the end of the answer, by kind of route.',
    labelNames: ['route', 'status'],
    buckets: secondsBuckets,
    registers,
  })
  const instances = new Gauge({
    name: 'reef_instances',
    help: 'Instances by status.',
    labelNames: ['status'],
    registers,
  })
  const slots = new Gauge({
    name: 'reef_slots',
    help: 'Slots by state; available ones are the warm pool.',
    labelNames: ['state'],
    registers,
  })
  const backups = new Gauge({
    name: 'reef_backups',
    help: 'Backups by kind and state.',
    labelNames: ['kind', 'state'],
    registers,
  })
  const backupAlarms = new Gauge({
    name: 'reef_backup_alarms',
    help: 'Open alarms about backups, by kind; anything above 0 needs somebody.',
    labelNames: ['kind'],
    registers,
  })
  const scrapeFailures = new Counter({
    name: 'reef_metrics_database_failures_total',
    help: 'Scrapes in which the database did not answer, so that instances and slots are missing.',
    registers,
  })

  const refresh = async (): Promise<void> => {
    await database.asSystem((trx) => access.refresh(trx))
    const counts = await database.asSystem(async (trx) => ({
      instances: await trx
        .selectFrom('instances')
        .select(['status', sql<number>`count(*)::int`.as('count')])
        .where('status', '<>', 'deleted')
        .groupBy('status')
        .execute(),
      slots: await trx
        .selectFrom('slots')
        .select(['state', sql<number>`count(*)::int`.as('count')])
        .where('state', '<>', 'removed')
        .groupBy('state')
        .execute(),
      backups: await trx
        .selectFrom('backups')
        .select(['kind', 'state', sql<number>`count(*)::int`.as('count')])
        .where('state', '<>', 'deleted')
        .groupBy(['kind', 'state'])
        .execute(),
      alarms: await trx
        .selectFrom('backup_alarms')
        .select(['kind', sql<number>`count(*)::int`.as('count')])
        .where('cleared_at', 'is', null)
        .groupBy('kind')
        .execute(),
    }))
    backups.reset()
    backupAlarms.reset()
    for (const row of counts.backups) backups.set({ kind: row.kind, state: row.state }, row.count)
    for (const row of counts.alarms) backupAlarms.set({ kind: row.kind }, row.count)
    instances.reset()
    slots.reset()
    for (const row of counts.instances) instances.set({ status: row.status }, row.count)
    for (const row of counts.slots) slots.set({ state: row.state }, row.count)
  }

  return {
    render: async () => {
      await refresh().catch(() => scrapeFailures.inc())
      return { contentType: registry.contentType, text: await registry.metrics() }
    },
    observeApi: (route, method, status, seconds) => api.observe({ route, method, status }, seconds),
    observeProxy: (route, status, seconds) => proxy.observe({ route, status }, seconds),
  }
}
