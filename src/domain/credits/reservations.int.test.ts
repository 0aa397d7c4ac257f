import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../../../test/support/database.ts'
import { newId } from '../../ids.ts'
import { createLedger, type Ledger } from './ledger.ts'
import { applyOperations } from './ledger-store.ts'
import { expireReservations, forgetReservations } from './reservations.ts'
import { verifyLedger } from './verify.ts'

let database: TestDatabase
let ledger: Ledger
const past = new Date('2026-01-01T00:00:00Z')
const future = new Date('2100-01-01T00:00:00Z')

beforeAll(async () => {
  database = await createTestDatabase()
  ledger = createLedger(database)
})
afterAll(() => database.drop())

async function hold(expiresAt: Date, more: { organizationId?: string; reservationId?: string } = {}) {
  const organizationId = more.organizationId ?? newId()
  const reservationId = more.reservationId ?? newId()
  if (!more.organizationId) await ledger.post({ kind: 'grant', organizationId, key: 'g', amount: 1_000 })
  const held = { reservationId, purpose: 'model_call' as const, amount: 300, atLeast: 300, expiresAt }
  await ledger.post({ kind: 'reserve', organizationId, key: newId(), ...held })
  return { organizationId, reservationId }
}

const balances = (organizationId: string) =>
  database.asSystem((trx) =>
    trx
      .selectFrom('ledger_books')
      .select(['available', 'reserved', 'spent'])
      .where('organization_id', '=', organizationId)
      .executeTakeFirst(),
  )
const settle = (one: { organizationId: string; reservationId: string }, amount: number) =>
  ledger.post({ kind: 'settle', key: newId(), close: true, amount, ...one })

describe('a reservation', () => {
  it('is given back once its time is over, once, however many control planes look', async () => {
    const over = await hold(past)
    const running = await hold(future)
    const counts = await Promise.all([1, 2, 3].map(() => expireReservations(database)))
    expect(Math.max(...counts)).toBe(1)
    expect(await balances(over.organizationId)).toEqual({ available: 1_000, reserved: 0, spent: 0 })
    expect(await balances(running.organizationId)).toEqual({ available: 700, reserved: 300, spent: 0 })
    expect(await expireReservations(database)).toBe(0)
  })

  it('is left alone when it was prolonged, and can expire twice', async () => {
    const one = await hold(past)
    await hold(future, one)
    expect(await expireReservations(database)).toBe(0)
    expect(await balances(one.organizationId)).toMatchObject({ reserved: 600 })
    const two = await hold(past)
    await expireReservations(database)
    await hold(past, two)
    await expireReservations(database)
    expect(await balances(two.organizationId)).toEqual({ available: 1_000, reserved: 0, spent: 0 })
  })

  it('is charged for all the same when its settlement comes late', async () => {
    const one = await hold(past)
    await expireReservations(database)
    await settle(one, 250)
    expect(await balances(one.organizationId)).toEqual({ available: 750, reserved: 0, spent: 250 })
  })

  it('races with its settlement, and is neither charged twice nor held for ever', async () => {
    const many = await Promise.all(Array.from({ length: 50 }, () => hold(past)))
    await Promise.all([...many.map((one) => settle(one, 100)), expireReservations(database)])
    await expireReservations(database)
    for (const { organizationId } of many)
      expect(await balances(organizationId)).toEqual({ available: 900, reserved: 0, spent: 100 })
  })

  it('may be settled before it is made, even in one transaction, and the ledger is right', async () => {
    const organizationId = newId()
    const reservationId = newId()
    const common = { organizationId, reservationId }
    const held = { purpose: 'model_call' as const, amount: 300, atLeast: 300, expiresAt: future }
    await database.asSystem((trx) =>
      applyOperations(trx, [
        { kind: 'grant', organizationId, key: 'g', amount: 1_000 },
        { kind: 'settle', ...common, key: 's', amount: 100, close: true },
        { kind: 'reserve', ...common, key: 'r', ...held },
      ]),
    )
    expect(await balances(organizationId)).toEqual({ available: 600, reserved: 300, spent: 100 })
    const report = await verifyLedger({ database, anchors: async function* () {} })
    expect(report.problems).toEqual([])
  })

  it('of another organization is refused', async () => {
    const one = await hold(future)
    await expect(hold(future, { reservationId: one.reservationId })).rejects.toThrow(/another organization/)
    expect(await balances(one.organizationId)).toMatchObject({ reserved: 300 })
  })

  it('is forgotten after a week, and the ledger is right without it', async () => {
    const old = await hold(future)
    await settle(old, 100)
    const recent = await hold(future)
    await settle(recent, 100)
    await database.asSystem((trx) =>
      sql`update ledger_reservations
        set closed_at = closed_at - interval '8 days', created_at = created_at - interval '8 days'
        where id = ${old.reservationId}`.execute(trx),
    )
    expect(await forgetReservations(database)).toBe(1)
    const left = await database.asSystem((trx) =>
      trx.selectFrom('ledger_reservations').select('id').where('closed_at', 'is not', null).execute(),
    )
    expect(left.map(({ id }) => id)).toContain(recent.reservationId)
    expect(left.map(({ id }) => id)).not.toContain(old.reservationId)
    const report = await verifyLedger({ database, anchors: async function* () {} })
    expect(report.problems).toEqual([])
  })
})
