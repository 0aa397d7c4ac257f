import type { Clock } from '../../clock.ts'
import type { Database, Trx } from '../../db/database.ts'
import type { MemberRole } from '../../db/schema.ts'
import { conflict, notFound } from '../../errors.ts'
import { newId } from '../../ids.ts'
import { randomToken, sha256 } from '../../secrets.ts'
import { getPerson, type Organization, selectOrganizations, toOrganization } from './organizations.ts'
import { outranks, type Principal, requirePerson, requireRole, requireScope } from './principal.ts'

const invitationDays = 7

export interface Invitation {
  id: string
  email: string
  role: MemberRole
  createdAt: Date
  expiresAt: Date
}

export interface Invitations {
  /** Those that can still be accepted. */
  list(principal: Principal): Promise<Invitation[]>
  /** Replaces an open invitation of the same address. The token is in no later answer. */
  create(
    principal: Principal,
    input: { email: string; role: MemberRole },
  ): Promise<{ invitation: Invitation; token: string }>
  revoke(principal: Principal, invitationId: string): Promise<void>
  /** For the person with the invited address and nobody else. Accepting twice is accepting once. */
  accept(principal: Principal, token: string): Promise<Organization>
}

export function createInvitations(deps: { database: Database; clock: Clock }): Invitations {
  const requireInviter = (principal: Principal): void => {
    requireScope(principal, 'organization:write')
    requireRole(principal, 'admin')
  }

  return {
    list: async (principal) => {
      requireInviter(principal)
      const rows = await deps.database.inTenant(principal.organizationId, (trx) =>
        trx
          .selectFrom('invitations')
          .selectAll()
          .where('organization_id', '=', principal.organizationId)
          .where('accepted_at', 'is', null)
          .where('revoked_at', 'is', null)
          .where('expires_at', '>', deps.clock.now())
          .orderBy('created_at')
          .execute(),
      )
      return rows.map(toInvitation)
    },

    create: async (principal, { email, role }) => {
      requireInviter(principal)
      const token = randomToken()
      const now = deps.clock.now()
      const row = await deps.database.inTenant(principal.organizationId, async (trx) => {
        await lockOrganization(trx, principal.organizationId)
        await requireCurrentRole(trx, principal, role)
        await refuseMember(trx, principal.organizationId, email)
        await revokeOpen(trx, principal.organizationId, now).where('email', '=', email).execute()
        return trx
          .insertInto('invitations')
          .values({
            id: newId(),
            organization_id: principal.organizationId,
            email,
            role,
            token_hash: sha256(token),
            invited_by: principal.userId,
            created_at: now,
            expires_at: new Date(now.getTime() + invitationDays * 86_400_000),
          })
          .returningAll()
          .executeTakeFirstOrThrow()
      })
      return { invitation: toInvitation(row), token }
    },

    revoke: async (principal, invitationId) => {
      requireInviter(principal)
      const result = await deps.database.inTenant(principal.organizationId, (trx) =>
        revokeOpen(trx, principal.organizationId, deps.clock.now())
          .where('id', '=', invitationId)
          .executeTakeFirst(),
      )
      if (result.numUpdatedRows === 0n) throw notFound()
    },

    accept: async (principal, token) => {
      requirePerson(principal)
      // The invited person is no member yet, so no tenant's view shows the invitation: the token and the address do.
      return deps.database.asSystem(async (trx) => {
        const now = deps.clock.now()
        const person = await getPerson(trx, principal.userId)
        const found = await trx
          .selectFrom('invitations')
          .select('organization_id')
          .where('token_hash', '=', sha256(token))
          .where('email', '=', person.email)
          .executeTakeFirst()
        if (!found) throw notFound('no invitation of this address has this token')
        await lockOrganization(trx, found.organization_id)
        // Read only under the lock: the inviter may just have revoked it.
        const invitation = await trx
          .selectFrom('invitations')
          .selectAll()
          .where('token_hash', '=', sha256(token))
          .executeTakeFirstOrThrow()
        if (invitation.revoked_at)
          throw conflict('invitation_revoked', 'This invitation was withdrawn. Ask for a new one.')
        if (!invitation.accepted_at) {
          if (invitation.expires_at <= now)
            throw conflict('invitation_expired', 'This invitation has expired. Ask for a new one.')
          await trx
            .insertInto('members')
            .values({
              organization_id: invitation.organization_id,
              user_id: person.id,
              role: invitation.role,
              name: person.name,
              email: person.email,
            })
            .onConflict((onConflict) => onConflict.doNothing())
            .execute()
          await trx
            .updateTable('invitations')
            .set({ accepted_at: now })
            .where('id', '=', invitation.id)
            .execute()
        }
        const row = await selectOrganizations(trx, person.id)
          .where('organizations.id', '=', invitation.organization_id)
          .executeTakeFirst()
        if (!row) throw notFound('the member was removed since')
        return toOrganization(row)
      })
    },
  }
}

/** Invitations and memberships of one organization change one at a time. */
async function lockOrganization(trx: Trx, organizationId: string): Promise<void> {
  await trx.selectFrom('organizations').select('id').where('id', '=', organizationId).forUpdate().execute()
}

/** The role that came with the caller may be a second old; what is written here outlasts that. */
async function requireCurrentRole(trx: Trx, principal: Principal, given: MemberRole): Promise<void> {
  const inviter = await trx
    .selectFrom('members')
    .select('role')
    .where('organization_id', '=', principal.organizationId)
    .where('user_id', '=', principal.userId)
    .executeTakeFirst()
  if (!inviter || inviter.role === 'member' || outranks(given, inviter.role))
    throw notFound('only owners make owners, and members invite nobody')
}

async function refuseMember(trx: Trx, organizationId: string, email: string): Promise<void> {
  const member = await trx
    .selectFrom('members')
    .select('user_id')
    .where('organization_id', '=', organizationId)
    .where('email', '=', email)
    .executeTakeFirst()
  if (member) throw conflict('already_member', 'The person with this e-mail address is a member already.')
}

function revokeOpen(trx: Trx, organizationId: string, now: Date) {
  return trx
    .updateTable('invitations')
    .set({ revoked_at: now })
    .where('organization_id', '=', organizationId)
    .where('accepted_at', 'is', null)
    .where('revoked_at', 'is', null)
}

function toInvitation(row: {
  id: string
  email: string
  role: MemberRole
  created_at: Date
  expires_at: Date
}): Invitation {
  return {
    id: row.id,
    email: row.email,
    role: row.role,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
  }
}
