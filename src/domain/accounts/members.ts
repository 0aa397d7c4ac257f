import type { Clock } from '../../clock.ts'
import type { Database, Trx } from '../../db/database.ts'
import type { MemberRole } from '../../db/schema.ts'
import { conflict, notFound, type ReefError } from '../../errors.ts'
import { outranks, type Principal, requireRole, requireScope } from './principal.ts'

export interface Member {
  userId: string
  name: string
  email: string
  role: MemberRole
  joinedAt: Date
}

export interface Members {
  list(principal: Principal): Promise<Member[]>
  setRole(principal: Principal, userId: string, role: MemberRole): Promise<Member>
  /** Removing oneself is leaving. The person's keys and open invitations in the organization end with it. */
  remove(principal: Principal, userId: string): Promise<void>
}

/** Everything that decides whether a membership may change. `to` is null for a removal. */
export interface MembershipChange {
  actor: { userId: string; role: MemberRole }
  target: { userId: string; role: MemberRole }
  to: MemberRole | null
  ownerCount: number
  /** The target's personal organization: it stays theirs. */
  personalOfTarget: boolean
}

/** Why a change is refused, or undefined when it may be made. Forbidden looks like missing; a conflict says what to do. */
export function refuseMembershipChange(change: MembershipChange): ReefError | undefined {
  const { actor, target, to } = change
  const leaves = to === null && actor.userId === target.userId
  if (!leaves && actor.role === 'member') return notFound('members change no memberships')
  // Nobody touches a role above their own and nobody hands one out: only owners make and unmake owners.
  if (outranks(target.role, actor.role)) return notFound('the target ranks above the caller')
  if (to && outranks(to, actor.role)) return notFound('the role ranks above the caller')
  const losesOwner = target.role === 'owner' && to !== 'owner'
  if (losesOwner && change.personalOfTarget)
    return conflict(
      'personal_organization',
      'A personal organization stays its person’s: they remain an owner of it.',
    )
  if (losesOwner && change.ownerCount <= 1)
    return conflict('last_owner', 'An organization needs an owner. Make another member an owner first.')
  return undefined
}

export function createMembers(deps: { database: Database; clock: Clock }): Members {
  /** Runs `work` if the change is allowed. Changes within one organization take turns: two owners who demote each other
   * at the same moment must not both succeed. */
  const change = <T>(
    principal: Principal,
    userId: string,
    to: MemberRole | null,
    work: (trx: Trx) => Promise<T>,
  ): Promise<T> =>
    deps.database.inTenant(principal.organizationId, async (trx) => {
      const organization = await trx
        .selectFrom('organizations')
        .select('personal_user_id')
        .where('id', '=', principal.organizationId)
        .forUpdate()
        .executeTakeFirst()
      const members = await trx
        .selectFrom('members')
        .select(['user_id', 'role'])
        .where('organization_id', '=', principal.organizationId)
        .execute()
      const target = members.find((member) => member.user_id === userId)
      // The caller's role is read again under the lock: it may just have been taken away.
      const actor = members.find((member) => member.user_id === principal.userId)
      if (!organization || !target || !actor) throw notFound()
      const refusal = refuseMembershipChange({
        actor: { userId: actor.user_id, role: actor.role },
        target: { userId: target.user_id, role: target.role },
        to,
        ownerCount: members.filter((member) => member.role === 'owner').length,
        personalOfTarget: organization.personal_user_id === userId,
      })
      if (refusal) throw refusal
      return work(trx)
    })

  return {
    list: async (principal) => {
      requireScope(principal, 'organization:read')
      const rows = await deps.database.inTenant(principal.organizationId, (trx) =>
        trx
          .selectFrom('members')
          .selectAll()
          .where('organization_id', '=', principal.organizationId)
          .orderBy('created_at')
          .execute(),
      )
      return rows.map(toMember)
    },

    setRole: async (principal, userId, role) => {
      requireScope(principal, 'organization:write')
      requireRole(principal, 'admin')
      return change(principal, userId, role, async (trx) => {
        const row = await trx
          .updateTable('members')
          .set({ role })
          .where('organization_id', '=', principal.organizationId)
          .where('user_id', '=', userId)
          .returningAll()
          .executeTakeFirstOrThrow()
        await withdrawInvitations(trx, { principal, userId, keepUpTo: role, now: deps.clock.now() })
        return toMember(row)
      })
    },

    remove: async (principal, userId) => {
      if (userId === principal.userId && principal.kind === 'person')
        requireScope(principal, 'organization:read')
      else requireScope(principal, 'organization:write')
      const now = deps.clock.now()
      await change(principal, userId, null, async (trx) => {
        await trx
          .deleteFrom('members')
          .where('organization_id', '=', principal.organizationId)
          .where('user_id', '=', userId)
          .execute()
        // Without a membership they are refused already; revoking them keeps them dead if the person ever comes back.
        await trx
          .updateTable('api_keys')
          .set({ revoked_at: now })
          .where('organization_id', '=', principal.organizationId)
          .where('user_id', '=', userId)
          .where('revoked_at', 'is', null)
          .execute()
        await withdrawInvitations(trx, { principal, userId, keepUpTo: 'member', now })
      })
    },
  }
}

/** An invitation is worth what its sender could give: it ends when they no longer could. */
async function withdrawInvitations(
  trx: Trx,
  input: { principal: Principal; userId: string; keepUpTo: MemberRole; now: Date },
): Promise<void> {
  if (input.keepUpTo === 'owner') return
  await trx
    .updateTable('invitations')
    .set({ revoked_at: input.now })
    .where('organization_id', '=', input.principal.organizationId)
    .where('invited_by', '=', input.userId)
    .where('accepted_at', 'is', null)
    .where('revoked_at', 'is', null)
    // An admin may go on inviting admins and members; a member may invite nobody.
    .$if(input.keepUpTo === 'admin', (query) => query.where('role', '=', 'owner'))
    .execute()
}

function toMember(row: {
  user_id: string
  name: string
  email: string
  role: MemberRole
  created_at: Date
}): Member {
  return { userId: row.user_id, name: row.name, email: row.email, role: row.role, joinedAt: row.created_at }
}
