import type { Database } from '../../db/database.ts'
import { invalid } from '../../errors.ts'
import { isId, newId } from '../../ids.ts'
import type { Principal } from '../accounts/principal.ts'
import type { Ledger } from './ledger.ts'

export interface Grant {
  organization: { id: string; name: string; slug: string }
  amount: number
  /** It had been given before, with the same key. */
  replayed: boolean
  /** What the organization can spend now. */
  available: number
}

/** Credits that an operator gives without payment; the only way to get any where there is no payment provider. */
export interface Grants {
  /** `by` must be an operator: the caller has made sure. Throws `invalid` with the field that is wrong. */
  give(by: Principal, grant: GrantOrder): Promise<Grant>
}

export interface GrantOrder {
  /** An organization's id or slug, or the e-mail address of a person, whose personal organization is meant. */
  to: string
  /** Micro-credits. */
  amount: number
  note?: string | undefined
  /** With the same one it is given once, however often it is asked for. */
  idempotencyKey?: string | undefined
}

export function createGrants({ database, ledger }: { database: Database; ledger: Ledger }): Grants {
  return {
    give: async (by, { to, amount, note, idempotencyKey }) => {
      const organization = await findOrganization(database, to.trim())
      const { replayed, available } = await ledger.post({
        kind: 'grant',
        organizationId: organization.id,
        key: `grant:${idempotencyKey ?? newId()}`,
        amount,
        ...(note ? { note } : {}),
        actorUserId: by.userId,
      })
      return { organization, amount, replayed, available }
    },
  }
}

async function findOrganization(database: Database, to: string): Promise<Grant['organization']> {
  const byEmail = to.includes('@')
  const found = await database.asSystem((trx) => {
    const organizations = trx
      .selectFrom('organizations')
      .select(['organizations.id', 'organizations.name', 'organizations.slug'])
    if (byEmail)
      return organizations
        .innerJoin('users', 'users.id', 'organizations.personal_user_id')
        .where('users.email', '=', to.toLowerCase())
        .executeTakeFirst()
    return organizations
      .where(isId(to) ? 'organizations.id' : 'organizations.slug', '=', to)
      .executeTakeFirst()
  })
  if (!found)
    throw invalid(
      'to',
      byEmail
        ? 'Nobody with this e-mail address has signed up. Let them sign up first.'
        : 'There is no organization with this id or slug. Give its slug, or a member’s e-mail address.',
    )
  return found
}
