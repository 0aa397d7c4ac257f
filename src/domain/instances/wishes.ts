import { sql } from 'kysely'
import type { Trx } from '../../db/database.ts'
import { conflict, notFound } from '../../errors.ts'
import { actionsFor, type InstanceAction } from './actions.ts'
import type { InstanceRow } from './lifecycle.ts'
import { sleepOf } from './sleep.ts'
import { requestedStep } from './store.ts'

/** What a person changes about an instance. `null` in place of it: it is so already. */
export type Wish = {
  desired_state: 'running' | 'stopped' | 'deleted'
  restart_generation?: number
  upgrade_to?: string
  /** How it sleeps; awake without it. */
  rung?: 'suspended'
}

export const deletedNow = { status: 'deleted', desired_state: 'deleted', session_id: null } as const

export const deleteWish = (instance: InstanceRow): Wish | null =>
  instance.desired_state === 'deleted' ? null : { desired_state: 'deleted' }

export function startWish(instance: InstanceRow): Wish | null {
  // A failed launch is tried anew, as by a restart; one under way goes on.
  if (instance.status === 'failed')
    return { desired_state: 'running', restart_generation: instance.restart_generation + 1 }
  const isSo =
    instance.desired_state === 'running' && instance.rung === 'active' && instance.credit_hold === null
  return isSo ? null : { desired_state: 'running' }
}

export function requireAction(instance: InstanceRow, action: InstanceAction): void {
  const isHeld = instance.credit_hold !== null
  const possible = actionsFor(instance.status, sleepOf(instance) !== null, isHeld)
  if (possible.includes(action)) return
  throw conflict(
    'action_not_possible',
    possible.length === 0
      ? `The instance is ${instance.status}: nothing can be done with it any more.`
      : `The instance is ${instance.status}, so it cannot ${action}. Possible now: ${possible.join(', ')}.`,
  )
}

export function upToDate() {
  return conflict('up_to_date', 'The instance already runs the newest software that this Reef has.')
}

export function cannotSuspend() {
  return conflict(
    'suspend_not_possible',
    'Machines of this kind cannot sleep with their memory. Stop it instead; starting it takes longer.',
  )
}

export async function lockLive(trx: Trx, id: string): Promise<InstanceRow> {
  const instance = await trx
    .selectFrom('instances')
    .selectAll()
    .where('id', '=', id)
    .where('status', '<>', 'deleted')
    .forNoKeyUpdate()
    .executeTakeFirst()
  if (instance === undefined) throw notFound()
  return instance
}

export async function writeWish(trx: Trx, instance: InstanceRow, wish: Wish): Promise<void> {
  await trx
    .updateTable('instances')
    .set({
      ...wish,
      rung: wish.rung ?? 'active',
      rung_since: sql<Date>`clock_timestamp()`,
      // Whatever a person does with it, they use it.
      ...(wish.rung ? {} : { last_active_at: sql<Date>`clock_timestamp()` }),
      // Whoever asked it to run was asked for credits before.
      ...(isStart(wish) ? { credit_hold: null, credit_hold_message: null } : {}),
      ...statusOfWish(instance, wish),
      // Should this process end before it settles the instance, another one does.
      next_reconcile_at: sql<Date>`now()`,
      updated_at: sql<Date>`now()`,
      version: instance.version + 1,
    })
    .where('id', '=', instance.id)
    .execute()
}

/** Whether somebody wants it to run now, which takes credits. */
export function isStart(wish: Wish): boolean {
  return wish.desired_state === 'running' && wish.rung === undefined
}

/** What it is at once; what only falls asleep or wakes is as it was until its machine says otherwise. */
function statusOfWish(instance: InstanceRow, wish: Wish) {
  const said = { reason_code: null, reason_message: null }
  if (wish.rung || (wish.desired_state === 'running' && instance.status === 'suspended')) return said
  const status = { running: 'provisioning', stopped: 'stopping', deleted: 'deleting' } as const
  return {
    ...said,
    status: status[wish.desired_state],
    running_since: null,
    ...(wish.desired_state === 'running' ? { steps: requestedStep } : {}),
  }
}
