import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { untilBlocked } from '../../../test/support/blocked.ts'
import { createTestDatabase, type TestDatabase } from '../../../test/support/database.ts'
import { testSecret } from '../../../test/support/secret.ts'
import type { Identity } from '../../domain/accounts/identity.ts'
import { isId } from '../../ids.ts'
import { createIdentity } from './better-auth.ts'

describe('identity', () => {
  let database: TestDatabase
  let identity: Identity
  beforeAll(async () => {
    database = await createTestDatabase()
    identity = await createIdentity({ database, secret: testSecret })
  })
  afterAll(() => database.drop())

  const create = async (email: string, password = 'correct horse') => {
    const passwordHash = await identity.hashPassword(password)
    return database.asSystem((trx) => identity.createPerson(trx, { email, name: 'Ada', passwordHash }))
  }

  it('finds a person by e-mail address and password, and by nothing less', async () => {
    const person = await create('ada@example.com')
    expect(isId(person.id)).toBe(true)
    expect(await identity.findByPassword('ada@example.com', 'correct horse')).toEqual(person)
    expect(await identity.findByPassword('ada@example.com', 'wrong horse')).toBeUndefined()
    expect(await identity.findByPassword('nobody@example.com', 'correct horse')).toBeUndefined()
  })

  it('keeps no password in clear', async () => {
    await create('hash@example.com', 'the secret of this test')
    const rows = await database.asSystem((trx) => trx.selectFrom('user_credentials').selectAll().execute())
    expect(rows.length).toBeGreaterThan(0)
    expect(JSON.stringify(rows)).not.toContain('the secret of this test')
    for (const row of rows) expect(row.password).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/)
  })

  it('takes the person back when the transaction around it fails', async () => {
    const passwordHash = await identity.hashPassword('correct horse')
    await expect(
      database.asSystem(async (trx) => {
        await identity.createPerson(trx, { email: 'half@example.com', name: 'Half', passwordHash })
        throw new Error('what comes after failed')
      }),
    ).rejects.toThrow('what comes after failed')
    expect(await identity.findByPassword('half@example.com', 'correct horse')).toBeUndefined()
    await expect(create('half@example.com')).resolves.toMatchObject({ email: 'half@example.com' })
  })

  it('lets one of two simultaneous sign-ups with one address through and tells the other so', async () => {
    const passwordHash = await identity.hashPassword('correct horse')
    const signUp = (then?: () => Promise<void>) =>
      database.asSystem(async (trx) => {
        await identity.createPerson(trx, { email: 'race@example.com', name: 'Race', passwordHash })
        await then?.()
      })
    let second: Promise<PromiseSettledResult<void>[]> | undefined
    await signUp(async () => {
      second = Promise.allSettled([signUp()])
      await untilBlocked(database)
    })
    expect(await second).toMatchObject([
      { status: 'rejected', reason: { kind: 'conflict', code: 'email_taken' } },
    ])
  })

  it('spends about as long on an unknown address as on a wrong password', async () => {
    await create('slow@example.com')
    const time = async (email: string): Promise<number> => {
      const startedAt = performance.now()
      await identity.findByPassword(email, 'not the password')
      return performance.now() - startedAt
    }
    const known: number[] = []
    const unknown: number[] = []
    for (let i = 0; i < 7; i++) {
      known.push(await time('slow@example.com'))
      unknown.push(await time('nobody@example.com'))
    }
    const least = (times: number[]): number => Math.min(...times)
    expect(least(unknown)).toBeGreaterThan(least(known) / 2)
    expect(least(unknown)).toBeLessThan(least(known) * 2)
  })
})
