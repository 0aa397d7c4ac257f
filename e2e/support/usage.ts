import type { Database } from '../../src/db/database.ts'
import { newId } from '../../src/ids.ts'

/**
 * A model call that has ended, as the gateway records it: of nobody's instance, through any slot that there is. What it
 * cost is not taken from the balance.
 */
export async function addModelCall(
  database: Database,
  call: { organizationId: string; email: string; agentId?: string; credits: number },
): Promise<void> {
  await database.asSystem(async (trx) => {
    const { id } = await trx
      .selectFrom('users')
      .select('id')
      .where('email', '=', call.email)
      .executeTakeFirstOrThrow()
    const slot = await trx.selectFrom('slots').select('id').limit(1).executeTakeFirstOrThrow()
    await trx
      .insertInto('model_calls')
      .values({
        id: newId(),
        organization_id: call.organizationId,
        user_id: id,
        slot_id: slot.id,
        agent_id: call.agentId ?? null,
        provider: 'demo',
        model: 'reef-demo',
        protocol: 'chat_completions',
        streamed: true,
        outcome: 'succeeded',
        input_tokens: 10,
        output_tokens: 5,
        cost: call.credits * 1_000_000,
        started_at: new Date(),
      })
      .execute()
  })
}
