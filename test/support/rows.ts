import type { Database } from '../../src/db/database.ts'
import type { MemberRole } from '../../src/db/schema.ts'
import { newId } from '../../src/ids.ts'

/** Rows written directly, for tests of what works below the services that write them. */
export async function insertOrganization(
  database: Database,
): Promise<{ organizationId: string; userId: string }> {
  const organizationId = newId()
  const userId = await insertUser(database)
  await database.asSystem(async (trx) => {
    await trx
      .insertInto('organizations')
      .values({ id: organizationId, name: 'Test', slug: slugOf(organizationId), personal_user_id: null })
      .execute()
  })
  await insertMember(database, organizationId, userId, 'owner')
  return { organizationId, userId }
}

export async function insertUser(database: Database): Promise<string> {
  const id = newId()
  await database.asSystem((trx) =>
    trx
      .insertInto('users')
      .values({ id, email: `${id}@example.test`, name: 'Test', image: null })
      .execute(),
  )
  return id
}

async function insertMember(
  database: Database,
  organizationId: string,
  userId: string,
  role: MemberRole,
): Promise<void> {
  await database.asSystem((trx) =>
    trx
      .insertInto('members')
      .values({
        organization_id: organizationId,
        user_id: userId,
        role,
        name: 'Test',
        email: `${userId}@example.test`,
      })
      .execute(),
  )
}

export async function insertInstance(
  database: Database,
  owner: { organizationId: string; userId: string },
): Promise<{ instanceId: string; slug: string }> {
  const instanceId = newId()
  const slug = slugOf(instanceId)
  await database.asSystem((trx) =>
    trx
      .insertInto('instances')
      .values({
        id: instanceId,
        organization_id: owner.organizationId,
        owner_user_id: owner.userId,
        name: 'Test',
        slug,
        driver: 'fake',
        desired_state: 'running',
        status: 'running',
        reason_code: null,
        reason_message: null,
        running_since: null,
        deleted_at: null,
      })
      .execute(),
  )
  return { instanceId, slug }
}

export async function insertPayment(database: Database, organizationId: string): Promise<string> {
  const id = newId()
  await database.asSystem((trx) =>
    trx
      .insertInto('payments')
      .values({
        id,
        organization_id: organizationId,
        kind: 'checkout',
        state: 'paid',
        pack: '500',
        credits: 500_000_000,
        amount_cents: 500,
        currency: 'usd',
        customer_id: 'cus_of_nobody',
        checkout_id: null,
        intent_id: null,
        card_id: null,
        receipt_url: null,
        failure_code: null,
        failure_message: null,
        problem: null,
        created_by: null,
        paid_at: null,
        look_at: null,
      })
      .execute(),
  )
  return id
}

function slugOf(id: string): string {
  return `t-${id.slice(-12)}`
}
