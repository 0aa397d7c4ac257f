import type { Clock } from '../../clock.ts'
import type { Database, Trx } from '../../db/database.ts'
import type { MemberRole } from '../../db/schema.ts'
import { notFound } from '../../errors.ts'
import { newId } from '../../ids.ts'
import type { Person } from './identity.ts'
import { type Principal, requirePerson, requireRole, requireScope } from './principal.ts'
import { slugFrom, slugWithSuffix } from './slug.ts'

/** An organization as one of its members sees it. */
export interface Organization {
  id: string
  name: string
  slug: string
  personal: boolean
  /** The caller's own. */
  role: MemberRole
  createdAt: Date
}

export interface Organizations {
  /** Those the caller is a member of, the personal one first. A key sees the one it belongs to. */
  list(principal: Principal): Promise<Organization[]>
  /** The one acted in. */
  get(principal: Principal): Promise<Organization>
  create(principal: Principal, input: { name: string }): Promise<Organization>
  rename(principal: Principal, input: { name: string }): Promise<Organization>
}

export function createOrganizations(deps: { database: Database; clock: Clock }): Organizations {
  return {
    list: async (principal) => {
      requireScope(principal, 'organization:read')
      return listOrganizations(deps.database, principal)
    },

    get: async (principal) => {
      requireScope(principal, 'organization:read')
      return deps.database.inTenant(principal.organizationId, (trx) => getOwn(trx, principal))
    },

    create: async (principal, { name }) => {
      requirePerson(principal)
      const person = await deps.database.asUser(principal.userId, (trx) => getPerson(trx, principal.userId))
      // The new tenant's id is chosen here, so that even its first rows are written under row-level security.
      const id = newId()
      return deps.database.inTenant(id, (trx) =>
        insertOrganization(trx, { id, name, owner: person, personal: false }),
      )
    },

    rename: async (principal, { name }) => {
      requireScope(principal, 'organization:write')
      requireRole(principal, 'admin')
      return deps.database.inTenant(principal.organizationId, async (trx) => {
        await trx
          .updateTable('organizations')
          .set({ name, updated_at: deps.clock.now() })
          .where('id', '=', principal.organizationId)
          .execute()
        return getOwn(trx, principal)
      })
    },
  }
}

/** As `Organizations.list`, for what every credential may know of itself. */
export function listOrganizations(database: Database, principal: Principal): Promise<Organization[]> {
  if (principal.kind === 'apiKey')
    return database.inTenant(principal.organizationId, async (trx) => [await getOwn(trx, principal)])
  return database.asUser(principal.userId, async (trx) =>
    (await selectOrganizations(trx, principal.userId).execute()).map(toOrganization),
  )
}

async function getOwn(trx: Trx, principal: Principal): Promise<Organization> {
  const row = await selectOrganizations(trx, principal.userId)
    .where('organizations.id', '=', principal.organizationId)
    .executeTakeFirst()
  if (!row) throw notFound()
  return toOrganization(row)
}

/** Writes an organization and its first owner. */
export async function insertOrganization(
  trx: Trx,
  input: { id: string; name: string; owner: Person; personal: boolean },
): Promise<Organization> {
  const row = await insertWithFreeSlug(trx, {
    id: input.id,
    name: input.name,
    personal_user_id: input.personal ? input.owner.id : null,
  })
  await trx
    .insertInto('members')
    .values({
      organization_id: input.id,
      user_id: input.owner.id,
      role: 'owner',
      name: input.owner.name,
      email: input.owner.email,
    })
    .execute()
  return toOrganization({ ...row, role: 'owner' })
}

/** With six random characters, a fifth attempt would mean a broken random number generator. */
const slugAttemptsMax = 5

async function insertWithFreeSlug(
  trx: Trx,
  values: { id: string; name: string; personal_user_id: string | null },
) {
  const wanted = slugFrom(values.name)
  for (let attempt = 0; attempt < slugAttemptsMax; attempt++) {
    const slug = attempt === 0 ? wanted : slugWithSuffix(wanted)
    const row = await trx
      .insertInto('organizations')
      .values({ ...values, slug })
      .onConflict((conflict) => conflict.column('slug').doNothing())
      .returningAll()
      .executeTakeFirst()
    if (row) return row
  }
  throw new Error(`no free slug for ${wanted} after ${slugAttemptsMax} attempts`)
}

/** The caller's name and address, from any of their memberships: the table of users is closed to this role. */
export async function getPerson(trx: Trx, userId: string): Promise<Person> {
  const row = await trx
    .selectFrom('members')
    .select(['user_id as id', 'email', 'name'])
    .where('user_id', '=', userId)
    .limit(1)
    .executeTakeFirst()
  if (!row) throw notFound('the caller is a member of nothing')
  return row
}

export function selectOrganizations(trx: Trx, userId: string) {
  return trx
    .selectFrom('organizations')
    .innerJoin('members', 'members.organization_id', 'organizations.id')
    .where('members.user_id', '=', userId)
    .select([
      'organizations.id',
      'organizations.name',
      'organizations.slug',
      'organizations.personal_user_id',
      'organizations.created_at',
      'members.role',
    ])
    .orderBy(
      (order) => order('organizations.personal_user_id', '=', userId),
      (by) => by.desc().nullsLast(),
    )
    .orderBy('organizations.name')
}

interface OrganizationRow {
  id: string
  name: string
  slug: string
  personal_user_id: string | null
  created_at: Date
  role: MemberRole
}

export function toOrganization(row: OrganizationRow): Organization {
  return {
    id: row.id,
    name: row.name,
    slug: row.slug,
    personal: row.personal_user_id !== null,
    role: row.role,
    createdAt: row.created_at,
  }
}
