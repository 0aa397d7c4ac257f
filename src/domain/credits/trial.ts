import { type RawBuilder, type Selectable, sql } from 'kysely'
import { advisoryLocks } from '../../db/advisory-locks.ts'
import type { Database, Trx } from '../../db/database.ts'
import type { TrialsTable } from '../../db/tables/trials.ts'
import type { RootSecret } from '../../secrets.ts'
import { microsPerCredit } from './credit.ts'
import { applyOperations } from './ledger-store.ts'
import { mailboxOf, networkOf } from './trial-address.ts'

/**
 * Trial credits for a person's own organization, once per person, mailbox and, for so many a day, network. All within the
 * caller's transaction: what is written is either granted or left to the sweep, never lost.
 */
export interface Trials {
  /** With the person's organization, at sign-up. `verified`: whether the address counts as proven. */
  begin(trx: Trx, newcomer: Newcomer): Promise<void>
  /** The person has proven their address. */
  verified(trx: Trx, userId: string): Promise<void>
  /** Grants what is due. Any number of control planes may do so. Answers how many were decided. */
  sweep(): Promise<number>
}

interface Newcomer {
  userId: string
  organizationId: string
  email: string
  /** Where they signed up from; undefined where that is not known. */
  address: string | undefined
  verified: boolean
}

export interface TrialsDeps {
  database: Database
  secret: RootSecret
  /** Whole credits; 0 switches trials off. */
  credits: number
  /** Most that one network is given in a day. */
  perNetworkAndDayMax?: number
}

type Trial = Selectable<TrialsTable>

const sweptMax = 50

export function createTrials(deps: TrialsDeps): Trials {
  const { database, secret, credits } = deps
  const keyOf = (kind: string, subject: string): string => secret.deriveToken(`trial ${kind}`, subject)
  const policy: Policy = {
    amount: credits * microsPerCredit,
    perNetworkMax: deps.perNetworkAndDayMax ?? 10,
    addressKeyOf: (email) => keyOf('address', mailboxOf(email)),
  }

  return {
    begin: async (trx, newcomer) => {
      if (credits === 0) return
      const network = newcomer.address === undefined ? undefined : networkOf(newcomer.address)
      const { numInsertedOrUpdatedRows } = await trx
        .insertInto('trials')
        .values({
          organization_id: newcomer.organizationId,
          user_id: newcomer.userId,
          address_key: policy.addressKeyOf(newcomer.email),
          network_key: network === undefined ? null : keyOf('network', network),
          state: newcomer.verified ? 'due' : 'verification',
          decided_at: null,
        })
        .onConflict((had) => had.doNothing())
        .executeTakeFirst()
      if (numInsertedOrUpdatedRows && newcomer.verified) await decide(trx, newcomer.organizationId, policy)
    },

    verified: async (trx, userId) => {
      const trial = await trx
        .updateTable('trials')
        .set({ state: 'due', not_before: sql<Date>`now()` })
        .where('user_id', '=', userId)
        .where('state', '=', 'verification')
        .returning('organization_id')
        .executeTakeFirst()
      if (trial && credits > 0) await decide(trx, trial.organization_id, policy)
    },

    sweep: async () => {
      if (credits === 0) return 0
      for (let count = 0; ; ) {
        const due = await database.asSystem((trx) =>
          trx
            .selectFrom('trials')
            .select('organization_id')
            .where('state', '=', 'due')
            .where('not_before', '<=', sql<Date>`now()`)
            .orderBy('not_before')
            .limit(sweptMax)
            .execute(),
        )
        for (const { organization_id } of due)
          await database.asSystem((trx) => decide(trx, organization_id, policy))
        count += due.length
        if (due.length < sweptMax) return count
      }
    },
  }
}

interface Policy {
  amount: number
  perNetworkMax: number
  addressKeyOf(email: string): string
}

/** Grants, refuses or puts off one trial that is due. Decisions take turns, so that two of one mailbox are not both granted. */
async function decide(trx: Trx, organizationId: string, policy: Policy): Promise<void> {
  await sql`select pg_advisory_xact_lock(${advisoryLocks.trials})`.execute(trx)
  const trial = await trx
    .selectFrom('trials')
    .selectAll()
    .where('organization_id', '=', organizationId)
    .where('state', '=', 'due')
    .executeTakeFirst()
  if (!trial) return
  const set = (values: Partial<Omit<Trial, 'not_before'>> & { not_before?: RawBuilder<Date> }) =>
    trx.updateTable('trials').set(values).where('organization_id', '=', organizationId).execute()
  const address_key = trial.address_key ?? (await findAddressKey(trx, trial, policy))
  const taken = await mailboxHadOne(trx, address_key)
  // Whoever was here before trials were is not refused what the others get.
  if (taken && trial.address_key !== null) {
    await set({ state: 'refused', decided_at: new Date() })
    return
  }
  if (await networkHadItsShare(trx, trial, policy.perNetworkMax)) {
    await set({ not_before: sql<Date>`now() + interval '1 hour'` })
    return
  }
  const [outcome] = await applyOperations(trx, [
    {
      kind: 'grant',
      organizationId,
      key: 'trial',
      amount: policy.amount,
      note: 'Trial credits',
    },
  ])
  // Granted before under other settings: the ledger keeps what was granted then.
  if (outcome && !outcome.done && outcome.refusal.code !== 'key_reused')
    throw new Error(`trial credits were refused: ${outcome.refusal.code}`)
  await set({ state: 'granted', decided_at: new Date(), ...(taken ? {} : { address_key }) })
}

/** Of somebody who signed up before trials were. */
async function findAddressKey(trx: Trx, { user_id }: Trial, policy: Policy): Promise<string | null> {
  if (user_id === null) return null
  const user = await trx.selectFrom('users').select('email').where('id', '=', user_id).executeTakeFirst()
  return user ? policy.addressKeyOf(user.email) : null
}

async function mailboxHadOne(trx: Trx, address_key: string | null): Promise<boolean> {
  if (address_key === null) return false
  const other = await trx
    .selectFrom('trials')
    .select('organization_id')
    .where('address_key', '=', address_key)
    .where('state', '=', 'granted')
    .executeTakeFirst()
  return other !== undefined
}

async function networkHadItsShare(trx: Trx, { network_key }: Trial, max: number): Promise<boolean> {
  if (network_key === null) return false
  const { count } = await trx
    .selectFrom('trials')
    .select((row) => row.fn.countAll<number>().as('count'))
    .where('network_key', '=', network_key)
    .where('state', '=', 'granted')
    .where('decided_at', '>', sql<Date>`now() - interval '1 day'`)
    .executeTakeFirstOrThrow()
  return Number(count) >= max
}
