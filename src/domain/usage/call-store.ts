import { sql } from 'kysely'
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

/**
 * One row for each call, before it is made. In this transaction nobody waits for the disk: the rows only have to survive
 * this process, not the database's machine, since a settlement writes them again whole. Said here, it costs no round trip.
 */
export async function insertPending(trx: Trx, pending: readonly PendingCall[]): Promise<void> {
  if (pending.length === 0) return
  const rows = pending.map((one) => ({ ...identityOf(one), outcome: 'pending' as const }))
  await trx
    .insertInto('model_calls')
    .values(rows)
    // A retry whose first answer was lost.
    .onConflict((conflict) => conflict.column('id').doNothing())
    .returning(sql`set_config('synchronous_commit', 'off', true)`.as('synchronous'))
    .execute()
}

/** Writes how calls ended, and answers the ids of those that nobody had settled before. Locks their rows. */
export async function writeSettled(trx: Trx, settled: readonly SettledCall[]): Promise<Set<string>> {
  if (settled.length === 0) return new Set()
  const rows = settled.map(({ end, cost, ...pending }) => ({
    ...identityOf(pending),
    outcome: end.outcome,
    http_status: end.httpStatus,
    error_code: end.errorCode,
    input_tokens: end.usage?.inputTokens ?? null,
    cached_input_tokens: end.usage?.cachedInputTokens ?? null,
    cache_write_input_tokens: end.usage?.cacheWriteInputTokens ?? null,
    output_tokens: end.usage?.outputTokens ?? null,
    reasoning_tokens: end.usage?.reasoningTokens ?? null,
    estimated: end.estimated,
    cost,
    first_byte_at: end.firstByteAt,
    finished_at: end.finishedAt,
  }))
  const written = await trx
    .insertInto('model_calls')
    .values(rows)
    .onConflict((conflict) =>
      conflict
        .column('id')
        .doUpdateSet((row) => ({
          outcome: row.ref('excluded.outcome'),
          http_status: row.ref('excluded.http_status'),
          error_code: row.ref('excluded.error_code'),
          input_tokens: row.ref('excluded.input_tokens'),
          cached_input_tokens: row.ref('excluded.cached_input_tokens'),
          cache_write_input_tokens: row.ref('excluded.cache_write_input_tokens'),
          output_tokens: row.ref('excluded.output_tokens'),
          reasoning_tokens: row.ref('excluded.reasoning_tokens'),
          estimated: row.ref('excluded.estimated'),
          cost: row.ref('excluded.cost'),
          first_byte_at: row.ref('excluded.first_byte_at'),
          finished_at: row.ref('excluded.finished_at'),
        }))
        // What was given up for lost may still turn up; what was settled stays as it is.
        .where((row) =>
          row.or([
            row('model_calls.outcome', '=', 'pending'),
            row('model_calls.error_code', '=', abandonedCode),
          ]),
        ),
    )
    .returning('id')
    .execute()
  return new Set(written.map(({ id }) => id))
}

/** The error code of a call whose control plane died before it could settle it. */
export const abandonedCode = 'control_plane_lost'

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
