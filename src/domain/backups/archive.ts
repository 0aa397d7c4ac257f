import type { Trx } from '../../db/database.ts'
import type { Archive } from '../instances/ladder.ts'
import { isUsedSince } from './last-use.ts'
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
  const { changed } = await trx
    .selectFrom('instances')
    .select(isUsedSince(newest.started_at).as('changed'))
    .where('id', '=', instanceId)
    .executeTakeFirstOrThrow()
  return !changed
}
