import { type RawBuilder, type SqlBool, sql } from 'kysely'
import type { FromSupervisor } from '../../supervisor/protocol.ts'
import type { Database, Trx } from '../db/database.ts'
import { notify } from '../db/notify.ts'
import { restoreIntoNewSlot } from '../domain/backups/first-restore.ts'
import { hasNoOpenRestore } from '../domain/backups/open-restore.ts'
import { findCoverSeconds, recordServed } from '../domain/credits/runtime-store.ts'
import { isId } from '../ids.ts'
import { randomToken, sha256 } from '../secrets.ts'
import { type DesiredFacts, loadDesiredFacts } from './desired.ts'

type Hello = Extract<FromSupervisor, { type: 'hello' }>
type Status = Extract<FromSupervisor, { type: 'status' }>
type Heartbeat = Extract<FromSupervisor, { type: 'heartbeat' }>

/** One connection's claim on a slot's row. A newer connection overwrites it, and then this one's writes touch nothing. */
export interface Hold {
  slotId: string
  nodeId: string
  connectedAt: Date
}

export type Admission =
  | {
      kind: 'admitted'
      hold: Hold
      facts: DesiredFacts
      linkCredential: string | null
      /** See `Counted`. */
      coverSeconds: number | null
    }
  | { kind: 'refused'; code: 'credential_invalid' | 'slot_gone' }

/** Between two samples of an instance, however often its supervisor reports. */
const sampleSeconds = 15

/**
 * Checks a credential and takes the slot's link for it in one statement, so that a bootstrap token is used once even
 * by racing connections. What it was exchanged for is told once, in the answer.
 */
export function admit(database: Database, nodeId: string, hello: Hello): Promise<Admission> {
  const { slotId, credential } = hello
  if (!isId(slotId)) return Promise.resolve({ kind: 'refused', code: 'credential_invalid' })
  const hash = sha256(credential.token)
  const bootstrap = credential.kind === 'bootstrap'
  const linkCredential = bootstrap ? randomToken() : null
  return database.asSystem(async (trx) => {
    const taken = await trx
      .updateTable('slots')
      .set({
        link_node_id: nodeId,
        // Rises with each link of the slot, to the millisecond, which is what a Date holds.
        link_connected_at: sql<Date>`greatest(date_trunc('milliseconds', clock_timestamp()),
          link_connected_at + interval '1 millisecond')`,
        supervisor_version: hello.supervisorVersion,
        openclaw_version: hello.openclawVersion,
        // Nothing of an older link is written any more, and a supervisor may have lost its count: a full disk kept it
        // from storing it, or it had to bootstrap because it has no state yet or lost it.
        heartbeat_sequence: 0,
        updated_at: sql<Date>`clock_timestamp()`,
        next_reconcile_at: sql<Date>`clock_timestamp()`,
        ...(linkCredential
          ? {
              link_credential_hash: sha256(linkCredential),
              bootstrap_hash: null,
              bootstrap_expires_at: null,
            }
          : {}),
      })
      .where('id', '=', slotId)
      .where('state', '<>', 'removed')
      .where(bootstrap ? 'bootstrap_hash' : 'link_credential_hash', '=', hash)
      .$if(bootstrap, (query) => query.where(sql<SqlBool>`bootstrap_expires_at > clock_timestamp()`))
      .returning('link_connected_at')
      .executeTakeFirst()
    if (!taken) return { kind: 'refused', code: await refusalOf(trx, slotId, hash) }
    if (bootstrap) await restoreLost(trx, slotId)
    await notify(trx, 'slot_changed', slotId)
    // Both were set by the statement above, in this transaction.
    const facts = (await loadDesiredFacts(trx, [slotId])).get(slotId) as DesiredFacts
    const hold: Hold = { slotId, nodeId, connectedAt: taken.link_connected_at as Date }
    const coverSeconds = await findCoverSeconds(trx, slotId)
    return { kind: 'admitted', hold, facts, linkCredential, coverSeconds }
  })
}

/** A slot that needs to bootstrap has no state; if somebody owns it, what was saved of theirs comes first. */
async function restoreLost(trx: Trx, slotId: string): Promise<void> {
  const instance = await trx
    .selectFrom('slots')
    .innerJoin('instances', 'instances.id', 'slots.instance_id')
    .select(['instances.id', 'instances.organization_id'])
    .where('slots.id', '=', slotId)
    .executeTakeFirst()
  if (instance) await restoreIntoNewSlot(trx, instance, slotId)
}

/** Only who once held the slot's credential learns that the slot is gone. */
async function refusalOf(
  trx: Trx,
  slotId: string,
  hash: Buffer,
): Promise<'credential_invalid' | 'slot_gone'> {
  const removed = await trx
    .selectFrom('slots')
    .select('id')
    .where('id', '=', slotId)
    .where('state', '=', 'removed')
    .where('link_credential_hash', '=', hash)
    .executeTakeFirst()
  return removed ? 'slot_gone' : 'credential_invalid'
}

/** Writes what the supervisor says of itself. False when the slot's link is no longer this one. */
export function writeStatus(database: Database, hold: Hold, status: Status): Promise<boolean> {
  return database.asSystem(async (trx) => {
    const written = await held(trx, hold)
      .set({
        // One that still has to take a backup's state has nothing to show yet, whatever it said before it knew.
        ready: status.ready ? hasNoOpenRestore : false,
        warm: status.warm,
        applied_restart_generation: status.appliedRestartGeneration,
        ...servedColumns(status.served),
        updated_at: sql<Date>`clock_timestamp()`,
        next_reconcile_at: sql<Date>`clock_timestamp()`,
        // A failure while it tries again by itself is not the slot's; one that ended the trying is.
        ...(status.phase === 'failed' && status.failure
          ? { failure_code: status.failure.code, failure_message: status.failure.message }
          : {}),
        ...(status.ready ? { failure_code: null, failure_message: null } : {}),
      })
      .returning('instance_id')
      .executeTakeFirst()
    if (!written) return false
    if (written.instance_id && status.served) await recordServed(trx, written.instance_id, status.served)
    await notify(trx, 'slot_changed', hold.slotId)
    if (written.instance_id) await notify(trx, 'instance_changed', written.instance_id)
    return true
  })
}

/**
 * Counts a heartbeat unless the same or a later one of this link was counted before, and keeps a sample now and then.
 * Notifies nobody: every few seconds and slot would be too many, and nothing waits for it.
 */
export function recordHeartbeat(database: Database, hold: Hold, beat: Heartbeat): Promise<Counted> {
  return database.asSystem(async (trx) => {
    const counted = await held(trx, hold)
      .where('heartbeat_sequence', '<', beat.sequence)
      .set({
        heartbeat_sequence: beat.sequence,
        heartbeat_at: sql<Date>`clock_timestamp()`,
        memory_bytes: beat.memoryBytes,
        cpu_percent: beat.cpuPercent,
        turns_in_flight: beat.turnsInFlight,
        next_wake_at: beat.nextWakeAt ? timeOf(beat.nextWakeAt) : null,
        ...servedColumns(beat.served),
        ...(beat.turnsInFlight > 0 ? { busy_at: sql<Date>`clock_timestamp()` } : {}),
        ...(beat.activeAt ? { active_at: seenAt(beat.activeAt, beat.at) } : {}),
      })
      .returning('instance_id')
      .executeTakeFirst()
    const coverSeconds = () => findCoverSeconds(trx, hold.slotId)
    if (!counted) return { kept: await isHeld(trx, hold), coverSeconds: await coverSeconds() }
    const instanceId = counted.instance_id
    if (instanceId === null) return { kept: true, coverSeconds: null }
    await recordServed(trx, instanceId, beat.served ?? null)
    await sql`insert into instance_samples (instance_id, organization_id, at, memory_bytes, cpu_percent)
        select id, organization_id, clock_timestamp(), ${beat.memoryBytes}, ${beat.cpuPercent} from instances
        where id = ${instanceId} and not exists (
          select from instance_samples where instance_id = instances.id
            and at > clock_timestamp() - make_interval(secs => ${sampleSeconds}))`.execute(trx)
    return { kept: true, coverSeconds: await coverSeconds() }
  })
}

/** What became of a heartbeat. */
export interface Counted {
  /** False when the slot's link is no longer this one. */
  kept: boolean
  /** How long what is held in the ledger pays for the instance; null where nothing bounds it. */
  coverSeconds: number | null
}

/** Kept on the slot too: whoever takes one from the pool begins with its count. */
function servedColumns(served: Heartbeat['served']) {
  return served
    ? { served_ms: served.ms, served_run: served.run, served_at: sql<Date>`clock_timestamp()` }
    : {}
}

function timeOf(text: string): Date | null {
  const time = new Date(text)
  return Number.isNaN(time.getTime()) ? null : time
}

/** By our clock: how long ago it was is what the supervisor knows, whatever its own clock says. */
function seenAt(activeAt: string, at: string): RawBuilder<Date> {
  const agoSeconds = Math.max(0, (Date.parse(at) - Date.parse(activeAt)) / 1000)
  if (Number.isNaN(agoSeconds)) return sql<Date>`active_at`
  return sql<Date>`greatest(active_at, clock_timestamp() - make_interval(secs => ${agoSeconds}))`
}

/**
 * Gives the link up. `ready` stays as last known when the connection merely ended: OpenClaw goes on serving while a
 * control plane restarts, and traffic need not stop for that. It is cleared when the other end has gone silent.
 */
export function release(database: Database, hold: Hold, silent: boolean): Promise<void> {
  return database.asSystem(async (trx) => {
    const released = await held(trx, hold)
      .set({
        link_node_id: null,
        link_connected_at: null,
        updated_at: sql<Date>`clock_timestamp()`,
        next_reconcile_at: sql<Date>`clock_timestamp()`,
        // A machine that stands still is silent, and is as ready as before when it goes on.
        ...(silent ? { ready: sql<boolean>`ready and phase = 'suspended'` } : {}),
      })
      .returning('instance_id')
      .executeTakeFirst()
    if (!released) return
    await notify(trx, 'slot_changed', hold.slotId)
    if (released.instance_id) await notify(trx, 'instance_changed', released.instance_id)
  })
}

/**
 * Takes `ready` from slots that nobody has heard of for longer than a lease lasts: their supervisors have stopped
 * themselves by now, whatever became of the control plane that held their links.
 */
export function clearExpired(database: Database, leaseSeconds: number): Promise<void> {
  return database.asSystem(async (trx) => {
    const expired = await trx
      .updateTable('slots')
      .set({
        ready: false,
        link_node_id: null,
        link_connected_at: null,
        next_reconcile_at: sql<Date>`clock_timestamp()`,
      })
      .where('ready', '=', true)
      .where('phase', '<>', 'suspended')
      .where(
        sql<SqlBool>`greatest(heartbeat_at, link_connected_at, resumed_at) < clock_timestamp() - make_interval(secs => ${leaseSeconds})`,
      )
      .returning(['id', 'instance_id'])
      .execute()
    for (const slot of expired) {
      await notify(trx, 'slot_changed', slot.id)
      if (slot.instance_id) await notify(trx, 'instance_changed', slot.instance_id)
    }
  })
}

export async function pruneSamples(database: Database): Promise<void> {
  await database.asSystem((trx) =>
    trx
      .deleteFrom('instance_samples')
      .where(sql<SqlBool>`at < clock_timestamp() - interval '24 hours'`)
      .execute(),
  )
}

/** Those of the slots that have not been removed. */
export async function findRemaining(database: Database, slotIds: string[]): Promise<Set<string>> {
  if (slotIds.length === 0) return new Set()
  const rows = await database.asSystem((trx) =>
    trx.selectFrom('slots').select('id').where('id', 'in', slotIds).where('state', '<>', 'removed').execute(),
  )
  return new Set(rows.map((row) => row.id))
}

function held(trx: Trx, hold: Hold) {
  return trx
    .updateTable('slots')
    .where('id', '=', hold.slotId)
    .where('link_node_id', '=', hold.nodeId)
    .where('link_connected_at', '=', hold.connectedAt)
}

async function isHeld(trx: Trx, hold: Hold): Promise<boolean> {
  const facts = (await loadDesiredFacts(trx, [hold.slotId])).get(hold.slotId)
  return facts !== undefined && isHolder(facts, hold)
}

export function isHolder(facts: DesiredFacts, hold: Hold): boolean {
  return facts.linkNodeId === hold.nodeId && facts.linkConnectedAt?.getTime() === hold.connectedAt.getTime()
}
