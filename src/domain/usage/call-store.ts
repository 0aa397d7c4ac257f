import { type Selectable, sql } from 'kysely'
import type { Trx } from '../../db/database.ts'
import type { Tables } from '../../db/schema.ts'
import type { ModelCall, ModelCallEnd } from './meter.ts'

/** A call with what was held for it, at which prices. Null for calls that are free. */
export interface PendingCall {
  call: ModelCall
  priceVersion: number | null
  reserved: number | null
}

/** A call that has ended, with what it cost. */
export interface SettledCall extends PendingCall {
  end: ModelCallEnd
  cost: number
}

/** The error code of a call whose control plane died before it could settle it. */
export const abandonedCode = 'control_plane_lost'

/**
 * One row for each call, before it is made. In this transaction nobody waits for the disk: the rows only have to survive
 * this process, not the database's machine, since a settlement writes them again whole. Said here, it costs no round trip.
 */
export async function insertPending(trx: Trx, pending: readonly PendingCall[]): Promise<void> {
  if (pending.length === 0) return
  await sql`
    insert into model_calls (${identity}, outcome)
    select ${identity}, 'pending' from json_populate_recordset(null::model_calls, ${rowsOf(pending.map(identityOf))}::json)
    -- A retry whose first answer was lost.
    on conflict (id) do nothing
    returning set_config('synchronous_commit', 'off', true)`.execute(trx)
}

/**
 * Writes how calls ended, and answers the ids of those that nobody had settled before. Locks their rows. Does not wait for
 * the disk either: whoever settles has to make sure of that.
 */
export async function writeSettled(trx: Trx, settled: readonly SettledCall[]): Promise<Set<string>> {
  if (settled.length === 0) return new Set()
  const rows = settled.map(({ end, cost, ...pending }) => ({
    ...identityOf(pending),
    outcome: end.outcome,
    http_status: end.httpStatus,
    error_code: end.errorCode,
    input_tokens: end.usage?.inputTokens,
    cached_input_tokens: end.usage?.cachedInputTokens,
    cache_write_input_tokens: end.usage?.cacheWriteInputTokens,
    output_tokens: end.usage?.outputTokens,
    reasoning_tokens: end.usage?.reasoningTokens,
    estimated: end.estimated,
    cost,
    first_byte_at: end.firstByteAt,
    finished_at: end.finishedAt,
  }))
  const { rows: written } = await sql<{ id: string }>`
    insert into model_calls as calls (${identity}, ${ending})
    select ${identity}, ${ending} from json_populate_recordset(null::model_calls, ${rowsOf(rows)}::json)
    on conflict (id) do update set ${setEnding}
    -- What was given up for lost may still turn up; what was settled stays as it is.
    where calls.outcome = 'pending' or calls.error_code = ${abandonedCode}
    returning id, set_config('synchronous_commit', 'off', true)`.execute(trx)
  return new Set(written.map(({ id }) => id))
}

const identity = sql.raw(
  'id, organization_id, user_id, instance_id, slot_id, session_id, agent_id, task_id, provider, model, protocol, ' +
    'streamed, price_version, reserved',
)
const endingColumns = [
  'outcome',
  'http_status',
  'error_code',
  'input_tokens',
  'cached_input_tokens',
  'cache_write_input_tokens',
  'output_tokens',
  'reasoning_tokens',
  'estimated',
  'cost',
  'first_byte_at',
  'finished_at',
]
const ending = sql.raw(endingColumns.join(', '))
const setEnding = sql.raw(endingColumns.map((column) => `${column} = excluded.${column}`).join(', '))

/** One parameter, however many rows: the statement's text stays the same and cheap to plan. */
function rowsOf(rows: readonly Partial<Selectable<Tables['model_calls']>>[]): string {
  return JSON.stringify(rows)
}

function identityOf({ call, priceVersion, reserved }: PendingCall) {
  return {
    id: call.id,
    organization_id: call.organizationId,
    user_id: call.userId,
    instance_id: call.instanceId,
    slot_id: call.slotId,
    session_id: call.sessionId,
    agent_id: call.agentId,
    task_id: call.taskId,
    provider: call.provider,
    model: call.model,
    protocol: call.protocol satisfies Tables['model_calls']['protocol'],
    streamed: call.streamed,
    price_version: priceVersion,
    reserved,
  }
}
