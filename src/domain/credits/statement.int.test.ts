import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../../../test/support/database.ts'
import { newId } from '../../ids.ts'
import type { Principal } from '../accounts/principal.ts'
import { scopesOfRole } from '../accounts/principal.ts'
import type { Entry } from './entry.ts'
import { createLedger, type Ledger } from './ledger.ts'
import { createStatements, type StatementFilter, type Statements } from './statement.ts'

let database: TestDatabase
let ledger: Ledger
let statements: Statements
const organizationId = newId()
const times: Date[] = []

const principalOf = (role: Principal['role'], organization = organizationId): Principal => ({
  kind: 'person',
  userId: newId(),
  organizationId: organization,
  role,
  scopes: scopesOfRole(role),
  familyId: newId(),
  apiKeyId: null,
})
const owner = principalOf('owner')

beforeAll(async () => {
  database = await createTestDatabase()
  ledger = createLedger(database)
  statements = createStatements(database)
  await ledger.post({
    kind: 'grant',
    organizationId,
    key: 'grant:1',
    amount: 10_000,
    note: 'For 100% of Ada_1',
  })
  await ledger.post({
    kind: 'purchase',
    organizationId,
    key: 'payment:pi_1',
    amount: 5_000,
    reference: 'pi_1',
  })
  await use('a', 700, 200)
  await use('b', 100, 130)
  await use('c', 50, 0)
  await ledger.post({ kind: 'freeze', organizationId, key: 'dispute:1', amount: 5_000, reference: 'dp_1' })
  await ledger.post({ kind: 'grant', organizationId: newId(), key: 'grant:1', amount: 1 })
  times.push(...(await collect({ holds: true })).map(({ at }) => at))
})
afterAll(() => database.drop())

async function use(key: string, held: number, used: number): Promise<void> {
  const reservationId = newId()
  const expiresAt = new Date('2030-01-01T00:00:00Z')
  const purpose = 'model_call' as const
  const hold = { reservationId, purpose, amount: held, atLeast: held, expiresAt }
  await ledger.post({ kind: 'reserve', organizationId, key: `${key}:reserve`, ...hold })
  await ledger.post({
    kind: 'settle',
    organizationId,
    key: `${key}:settle`,
    note: `model ${key}`,
    reservationId,
    amount: used,
    close: true,
  })
}

async function listOf(entries: AsyncIterable<Entry>): Promise<Entry[]> {
  const list: Entry[] = []
  for await (const entry of entries) list.push(entry)
  return list
}

async function collect(filter: StatementFilter): Promise<Entry[]> {
  return listOf(await statements.all(owner, filter))
}

async function pages(filter: StatementFilter, limit: number): Promise<Entry[]> {
  const entries: Entry[] = []
  for (let cursor: string | undefined; ; ) {
    const page = await statements.page(owner, filter, { cursor, limit })
    entries.push(...page.entries)
    if (page.cursor === null) return entries
    cursor = page.cursor
  }
}

const brief = ({ kind, amount, balance }: Entry) => [kind, amount, balance]

describe('a statement', () => {
  it('says what each use came to, and nothing of what was only held', async () => {
    const { entries, cursor } = await statements.page(owner, {}, { limit: 50 })
    expect(cursor).toBeNull()
    expect(entries.map(brief)).toEqual([
      ['freeze', -5_000, 9_670],
      ['usage', -130, 14_670],
      ['usage', -200, 14_800],
      ['purchase', 5_000, 15_000],
      ['grant', 10_000, 10_000],
    ])
    expect(entries[1]).toMatchObject({ note: 'model b', held: -100, writtenOff: 0, key: 'b:settle' })
  })

  it('shows holds and releases when asked for, with the same balances', async () => {
    expect((await collect({ holds: true })).map(brief)).toEqual([
      ['grant', 10_000, 10_000],
      ['purchase', 5_000, 15_000],
      ['hold', 0, 15_000],
      ['usage', -200, 14_800],
      ['hold', 0, 14_800],
      ['usage', -130, 14_670],
      ['hold', 0, 14_670],
      ['release', 0, 14_670],
      ['freeze', -5_000, 9_670],
    ])
    expect((await collect({ kind: 'release' })).map(({ held }) => held)).toEqual([-50])
  })

  it.each([1, 2, 3, 100])(
    'is the same in pages of %i, and backwards the same as its export',
    async (limit) => {
      for (const filter of [{}, { holds: true }, { kind: 'usage' as const }, { search: 'model' }]) {
        const whole = await collect(filter)
        expect((await pages(filter, limit)).reverse()).toEqual(whole)
      }
    },
  )

  it('finds text in notes, references and keys, taking it for nothing but text', async () => {
    const found = async (search: string) => (await collect({ search })).map(({ key }) => key)
    expect(await found('MODEL b')).toEqual(['b:settle'])
    expect(await found('pi_1')).toEqual(['payment:pi_1'])
    expect(await found('dispute:')).toEqual(['dispute:1'])
    expect(await found('100%')).toEqual(['grant:1'])
    expect(await found('pi%')).toEqual([])
    expect(await found('1_1')).toEqual([])
  })

  it('begins and ends where it is told to, with the balance of then', async () => {
    for (const [index, from] of times.entries())
      for (const to of times.slice(index)) {
        const expected = (await collect({ holds: true })).filter(({ at }) => at >= from && at < to)
        expect(await collect({ holds: true, from, to })).toEqual(expected)
        expect((await pages({ holds: true, from, to }, 2)).reverse()).toEqual(expected)
      }
    expect(await collect({ from: new Date('2100-01-01') })).toEqual([])
    expect(await collect({ to: new Date('2000-01-01') })).toEqual([])
  })

  it('is for owners and admins alone, each of their own organization', async () => {
    await expect(statements.page(principalOf('member'), {}, { limit: 5 })).rejects.toMatchObject({
      kind: 'notFound',
    })
    await expect(statements.all(principalOf('member'), {})).rejects.toMatchObject({ kind: 'notFound' })
    const stranger = principalOf('owner', newId())
    expect(await statements.page(stranger, {}, { limit: 5 })).toEqual({ entries: [], cursor: null })
    expect(await listOf(await statements.all(stranger, {}))).toEqual([])
  })
})
