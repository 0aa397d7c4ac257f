import { sql } from 'kysely'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createTestAccounts, type TestAccounts, testPassword } from '../../../test/support/accounts.ts'
import { insertOrganization } from '../../../test/support/rows.ts'
import { testSecret } from '../../../test/support/secret.ts'
import type { Mailer } from '../mail/mailer.ts'
import { createTrials } from './trial.ts'

let test: TestAccounts
beforeEach(async () => {
  test = await createTestAccounts()
})
afterEach(() => test.close())

const trial = 500_000_000
const signUp = async (email: string, address?: string): Promise<string> => {
  const { user } = await test.accounts.signUp({
    email,
    password: testPassword,
    name: 'Ada',
    ...(address ? { address } : {}),
  })
  return user.id
}
const grantedTo = async (userId: string): Promise<number> => {
  const row = await test.database.asSystem((trx) =>
    trx
      .selectFrom('organizations')
      .leftJoin('ledger_books', 'ledger_books.organization_id', 'organizations.id')
      .select('ledger_books.granted')
      .where('organizations.personal_user_id', '=', userId)
      .executeTakeFirstOrThrow(),
  )
  return row.granted ?? 0
}
const silent: Mailer = { send: async () => undefined, close: () => undefined }

describe('trial credits', () => {
  it('are there with the sign-up where no mail is sent', async () => {
    expect(await grantedTo(await signUp('ada@example.com'))).toBe(trial)
  })

  it('are not given with a second organization of the same person', async () => {
    const ada = await test.person()
    const made = await test.app.inject({
      method: 'POST',
      url: '/api/orgs',
      payload: { name: 'Second' },
      headers: ada.headers,
    })
    await test.trials.sweep()
    const books = await test.database.asSystem((trx) =>
      trx
        .selectFrom('ledger_books')
        .select('organization_id')
        .where('organization_id', '=', made.json().id as string)
        .execute(),
    )
    expect(made.statusCode).toBe(201)
    expect(books).toEqual([])
  })

  it('are given once to a mailbox, however its address is written', async () => {
    await signUp('a.da@gmail.com')
    for (const email of ['ada+1@gmail.com', 'A.D.A@googlemail.com'])
      expect([email, await grantedTo(await signUp(email.toLowerCase()))]).toEqual([email, 0])
    expect(await grantedTo(await signUp('adam@gmail.com'))).toBe(trial)
  })

  it('are given once to racing sign-ups of one mailbox', async () => {
    await signUp('operator@example.com')
    const ids = await Promise.all(Array.from({ length: 8 }, (_, tag) => signUp(`ada+${tag}@example.com`)))
    const granted = await Promise.all(ids.map(grantedTo))
    expect(granted.filter((amount) => amount > 0)).toEqual([trial])
  })

  it('are given to so many a day from one network; the others wait', async () => {
    const ids: string[] = []
    for (let i = 0; i < 12; i++) ids.push(await signUp(`p${i}@example.com`, `203.0.113.${i}`))
    expect((await Promise.all(ids.map(grantedTo))).filter((amount) => amount > 0)).toHaveLength(10)
    expect(await grantedTo(await signUp('elsewhere@example.com', '198.51.100.1'))).toBe(trial)
    await test.database.asSystem((trx) =>
      sql`update trials set decided_at = decided_at - interval '25 hours', not_before = now()`.execute(trx),
    )
    await test.trials.sweep()
    expect((await Promise.all(ids.map(grantedTo))).every((amount) => amount === trial)).toBe(true)
  })

  it('wait for the address to be confirmed where mail is sent, but not for the first operator’s', async () => {
    const withMail = await createTestAccounts({ mailer: silent })
    const first = await withMail.person()
    const second = await withMail.person()
    const states = await withMail.database.asSystem((trx) =>
      trx.selectFrom('trials').select(['user_id', 'state']).execute(),
    )
    expect(states).toContainEqual({ user_id: first.user.id, state: 'granted' })
    expect(states).toContainEqual({ user_id: second.user.id, state: 'verification' })
    expect(await withMail.trials.sweep()).toBe(0)
    await withMail.close()
  })

  it('can be switched off', async () => {
    const without = await createTestAccounts({ trialCredits: 0 })
    await without.person()
    expect(await without.trials.sweep()).toBe(0)
    const books = await without.database.asSystem((trx) =>
      trx.selectFrom('ledger_books').selectAll().execute(),
    )
    expect(books).toEqual([])
    await without.close()
  })

  it('are given once to whoever was here before, teams too, by as many control planes as sweep', async () => {
    const here = [await insertOrganization(test.database), await insertOrganization(test.database)]
    await test.database.asSystem((trx) =>
      sql`insert into trials (organization_id, user_id, state) select id, personal_user_id, 'due' from organizations`.execute(
        trx,
      ),
    )
    const others = Array.from({ length: 3 }, () =>
      createTrials({ database: test.database, secret: testSecret, credits: 500 }),
    )
    await Promise.all(others.map((one) => one.sweep()))
    const books = await test.database.asSystem((trx) =>
      trx
        .selectFrom('ledger_books')
        .select('granted')
        .where(
          'organization_id',
          'in',
          here.map((one) => one.organizationId),
        )
        .execute(),
    )
    expect(books).toEqual([{ granted: trial }, { granted: trial }])
  })

  it('are not lost when the control plane dies before the grant', async () => {
    const userId = await signUp('ada@example.com')
    const { userId: other, organizationId } = await insertOrganization(test.database)
    // As a sign-up leaves it whose trial had to wait, and nobody was left to wait for it.
    await test.database.asSystem((trx) =>
      trx
        .insertInto('trials')
        .values({
          organization_id: organizationId,
          user_id: other,
          address_key: 'key',
          network_key: null,
          state: 'due',
          decided_at: null,
        })
        .execute(),
    )
    expect(await test.trials.sweep()).toBe(1)
    expect(await test.trials.sweep()).toBe(0)
    expect(await grantedTo(userId)).toBe(trial)
  })
})
