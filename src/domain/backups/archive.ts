import { sql } from 'kysely'
import type { Trx } from '../../db/database.ts'
import type { Archive } from '../instances/ladder.ts'
import { findNewest } from './rows.ts'

/**
 * Whether a stopped instance can be had back without its machine: its newest backup is not older than anything that was
 * done in it, and lies where it has to. Stopping saves what is not saved yet, so that is the rule. Where that failed,
 * the machine stays until the instance has run again: waking it only to save it would cost what sleeping spares.
 */
export function createArchive(options: { hasRemote: boolean }): Archive {
  return {
    hasFreshBackup: (trx, instanceId) => hasFreshBackup(trx, instanceId, options.hasRemote),
    backUp: async () => undefined,
  }
}

async function hasFreshBackup(trx: Trx, instanceId: string, hasRemote: boolean): Promise<boolean> {
  const newest = await findNewest(trx, instanceId)
  if (!newest?.started_at || newest.verify_failure !== null) return false
  if (hasRemote && newest.remote_key === null) return false
  const { rows } = await sql<{ changed: boolean }>`select
    exists (select from model_calls where instance_id = ${instanceId} and started_at > ${newest.started_at})
    or exists (select from visit_tickets where instance_id = ${instanceId} and created_at > ${newest.started_at})
    as changed`.execute(trx)
  return rows[0]?.changed === false
}
