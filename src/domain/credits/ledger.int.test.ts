import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readBook } from '../../../test/support/book.ts'
import { createTestDatabase, type TestDatabase } from '../../../test/support/database.ts'
import { newId } from '../../ids.ts'
import { createLedger, type Ledger } from './ledger.ts'
import type { Operation } from './operation.ts'

let database: TestDatabase
let ledger: Ledger

beforeAll(async () => {
  database = await createTestDatabase()
  ledger = createLedger(database)
})
afterAll(() => database.drop())

const bookOf = (organizationId: string) => readBook(database, organizationId)

async function organizationWith(amount: number): Promise<string> {
  const organizationId = newId()
  await ledger.post({ kind: 'grant', organizationId, key: 'grant', amount })
  return organizationId
}

const reserve = (organizationId: string, more: Partial<Extract<Operation, { kind: 'reserve' }>> = {}) =>
  ledger.post({
    kind: 'reserve',
    organizationId,
    key: newId(),
    reservationId: newId(),
    purpose: 'model_call',
    amount: 100,
    atLeast: 100,
    expiresAt: new Date('2030-01-01T00:00:00Z'),
    ...more,
  })

describe('the ledger', () => {
  it('reserves before and settles after, and gives back what was not used', async () => {
    const organizationId = await organizationWith(1000)
    const reservationId = newId()
    expect(await reserve(organizationId, { reservationId, amount: 300 })).toMatchObject({
      available: 700,
      reserved: 300,
    })
    await ledger.post({
      kind: 'settle',
      organizationId,
      key: newId(),
      reservationId,
      amount: 120,
      close: true,
    })
    expect(await bookOf(organizationId)).toMatchObject({
      granted: 1000,
      available: 880,
      reserved: 0,
      spent: 120,
      head_sequence: 4,
    })
  })

  it('refuses to reserve what is not there, or holds what there is when that is enough', async () => {
    const organizationId = await organizationWith(50)
    await expect(reserve(organizationId)).rejects.toMatchObject({
      kind: 'paymentRequired',
      code: 'credits_insufficient',
    })
    expect(await reserve(organizationId, { atLeast: 10 })).toMatchObject({ available: 0, reserved: 50 })
  })

  it('spends what was used beyond what was held, and writes off what nobody has', async () => {
    const organizationId = await organizationWith(150)
    const reservationId = newId()
    await reserve(organizationId, { reservationId })
    await ledger.post({
      kind: 'settle',
      organizationId,
      key: newId(),
      reservationId,
      amount: 170,
      close: true,
    })
    expect(await bookOf(organizationId)).toMatchObject({
      available: 0,
      reserved: 0,
      spent: 170,
      written_off: 20,
    })
  })

  it('does the same operation once, however often and however many at once', async () => {
    const organizationId = await organizationWith(1000)
    const operation: Operation = { kind: 'purchase', organizationId, key: 'pay_1', amount: 500 }
    const receipts = await Promise.all(Array.from({ length: 20 }, () => ledger.post(operation)))
    expect(receipts.filter(({ replayed }) => !replayed)).toHaveLength(1)
    expect(new Set(receipts.map(({ transfers }) => transfers[0]?.sequence))).toEqual(new Set([2]))
    await expect(ledger.post({ ...operation, amount: 501 })).rejects.toMatchObject({
      kind: 'conflict',
      code: 'idempotency_key_reused',
    })
    expect((await bookOf(organizationId)).purchased).toBe(500)
  })

  it('takes back what was paid: as far as it is there, then at the operator’s cost', async () => {
    const organizationId = await organizationWith(0)
    await ledger.post({ kind: 'purchase', organizationId, key: 'pay_1', amount: 100 })
    const reservationId = newId()
    await reserve(organizationId, { reservationId, amount: 30, atLeast: 30 })
    await ledger.post({ kind: 'settle', organizationId, key: 's', reservationId, amount: 30, close: true })
    await ledger.post({ kind: 'freeze', organizationId, key: 'dp_1', amount: 100 })
    expect(await bookOf(organizationId)).toMatchObject({ available: 0, frozen: 70 })
    await ledger.post({ kind: 'forfeit', organizationId, key: 'dp_1:lost', amount: 100, frozen: 70 })
    expect(await bookOf(organizationId)).toMatchObject({ frozen: 0, refunded: 100, written_off: 30 })
  })

  it('can be changed and deleted by nobody whom the application can become', async () => {
    const organizationId = await organizationWith(10)
    for (const statement of [
      sql`update ledger_transfers set amount = 11 where organization_id = ${organizationId}`,
      sql`delete from ledger_transfers where organization_id = ${organizationId}`,
      sql`delete from ledger_books where organization_id = ${organizationId}`,
      sql`truncate ledger_transfers`,
    ]) {
      await expect(database.asSystem((trx) => statement.execute(trx))).rejects.toThrow(/permission denied/)
      await expect(database.inTenant(organizationId, (trx) => statement.execute(trx))).rejects.toThrow(
        /permission denied/,
      )
    }
  })

  it('shows a tenant its own books and nobody else’s', async () => {
    const organizationId = await organizationWith(10)
    const other = await organizationWith(20)
    const seen = await database.inTenant(organizationId, (trx) =>
      trx.selectFrom('ledger_transfers').select('organization_id').execute(),
    )
    expect(seen).toEqual([{ organization_id: organizationId }])
    const books = await database.inTenant(other, (trx) =>
      trx.selectFrom('ledger_books').select('available').execute(),
    )
    expect(books).toEqual([{ available: 20 }])
  })
})
