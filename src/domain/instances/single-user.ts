import { sql } from 'kysely'
import { advisoryLocks } from '../../db/advisory-locks.ts'
import type { Trx } from '../../db/database.ts'
import { conflict } from '../../errors.ts'
import type { Reason } from './reasons.ts'

/**
 * A driver that isolates nothing lets whoever talks to one OpenClaw read every other one's files, so it serves one
 * person, unless the operator opts in by name.
 */
export const singleUserReason: Reason = {
  code: 'process_driver_single_user',
  message:
    'This Reef runs instances as plain processes, which are not isolated from each other, so it serves one person ' +
    'only, and somebody else has an instance here. The operator can allow more with ' +
    'REEF_PROCESS_DRIVER_MULTI_USER=i-understand-it-isolates-nothing.',
}

export function singleUserConflict() {
  return conflict(singleUserReason.code, singleUserReason.message)
}

/**
 * Whether another person's instance holds a slot of this driver. Whoever asks holds a lock until its transaction ends,
 * so two people who ask at once cannot both be told that there is nobody.
 */
export async function otherPersonHolds(trx: Trx, driver: string, userId: string): Promise<boolean> {
  await sql`select pg_advisory_xact_lock(${advisoryLocks.singleUser})`.execute(trx)
  const other = await trx
    .selectFrom('slots')
    .innerJoin('instances', 'instances.id', 'slots.instance_id')
    .select('instances.id')
    .where('slots.driver', '=', driver)
    .where('instances.owner_user_id', '<>', userId)
    .limit(1)
    .executeTakeFirst()
  return other !== undefined
}
