import { type SqlBool, sql } from 'kysely'
import type { Database, Trx } from '../../db/database.ts'
import type { Listener } from '../../db/listen.ts'
import { notify } from '../../db/notify.ts'
import { recordServed } from '../../domain/credits/runtime-store.ts'
import { impossible } from '../../errors.ts'
import { persistently } from '../../link/persistently.ts'
import type { FakeMachineEvent } from './driver.ts'

/**
 * Stands in for the supervisors of pretended machines and for their links: writes to their slots what a real link
 * would, so that everything above sees no difference.
 */
export interface FakeLink {
  onMachine(event: FakeMachineEvent): void
  /** Resolves when nothing is being written any more. */
  close(): Promise<void>
}

const heartbeatMilliseconds = 5_000

export function createFakeLink(deps: {
  database: Database
  listener: Listener
  onError(error: Error): void
  heartbeatMilliseconds?: number
}): FakeLink {
  const { database } = deps
  const up = new Set<string>()
  const writing = new Set<Promise<void>>()
  let closed = false

  const write = (work: (trx: Trx) => Promise<void>): void => {
    const done = persistently(
      () => database.asSystem(work),
      () => !closed,
    )
      .catch(deps.onError)
      .finally(() => writing.delete(done))
    writing.add(done)
  }

  const onMachine = (event: FakeMachineEvent): void => {
    const { kind, slotId } = event
    if (kind === 'up' || kind === 'resumed') up.add(slotId)
    else up.delete(slotId)
    switch (kind) {
      case 'up':
        write((trx) => reportReady(trx, slotId))
        break
      case 'ended':
        write((trx) => reportEnd(trx, slotId))
        break
      // It was silent, and its link stayed.
      case 'resumed':
        write((trx) => beat(trx, [slotId]))
        break
      case 'suspended':
        break
      default:
        impossible(kind)
    }
  }

  // A restart of a pretended OpenClaw is over as soon as it is asked for.
  const unsubscribe = deps.listener.subscribe('slot_changed', {
    onHint: (slotId) => {
      if (up.has(slotId)) write((trx) => applyRestart(trx, slotId))
    },
    onReconnect: () => {
      for (const slotId of up) write((trx) => reportReady(trx, slotId))
    },
  })
  const heartbeat = setInterval(() => {
    if (up.size > 0) write((trx) => beat(trx, [...up]))
  }, deps.heartbeatMilliseconds ?? heartbeatMilliseconds)
  heartbeat.unref()

  return {
    onMachine,
    close: async () => {
      closed = true
      unsubscribe()
      clearInterval(heartbeat)
      await Promise.all(writing)
    },
  }
}

async function reportReady(trx: Trx, slotId: string): Promise<void> {
  await trx
    .updateTable('slots')
    .set((expression) => ({
      ready: true,
      warm: true,
      openclaw_version: 'fake',
      supervisor_version: 'fake',
      applied_restart_generation: expression.ref('restart_generation'),
      link_connected_at: sql<Date>`clock_timestamp()`,
      heartbeat_at: sql<Date>`clock_timestamp()`,
      failure_code: null,
      failure_message: null,
      next_reconcile_at: sql<Date>`clock_timestamp()`,
    }))
    .where('id', '=', slotId)
    .execute()
  await notify(trx, 'slot_changed', slotId)
}

async function reportEnd(trx: Trx, slotId: string): Promise<void> {
  await trx
    .updateTable('slots')
    .set({ link_connected_at: null, next_reconcile_at: sql<Date>`clock_timestamp()` })
    .where('id', '=', slotId)
    .execute()
  await notify(trx, 'slot_changed', slotId)
}

async function applyRestart(trx: Trx, slotId: string): Promise<void> {
  const applied = await trx
    .updateTable('slots')
    .set((expression) => ({ applied_restart_generation: expression.ref('restart_generation') }))
    .where('id', '=', slotId)
    .where(sql<SqlBool>`applied_restart_generation < restart_generation`)
    .returning('id')
    .executeTakeFirst()
  if (applied) await notify(trx, 'slot_changed', slotId)
}

async function beat(trx: Trx, slotIds: string[]): Promise<void> {
  await sql`update slots set heartbeat_at = clock_timestamp(), heartbeat_sequence = heartbeat_sequence + 1,
      memory_bytes = 800 * 1024 * 1024, cpu_percent = 1
    where id = any(${slotIds}::uuid[])`.execute(trx)
  const served = await trx
    .selectFrom('slots')
    .select('instance_id')
    .where('id', 'in', slotIds)
    .where('instance_id', 'is not', null)
    .orderBy('instance_id')
    .execute()
  for (const { instance_id } of served) if (instance_id) await recordServed(trx, instance_id, null)
}
