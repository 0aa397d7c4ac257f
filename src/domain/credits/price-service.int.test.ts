import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../../../test/support/database.ts'
import { newId } from '../../ids.ts'
import { defaultPrices } from './default-prices.ts'
import { createPrices } from './price-service.ts'
import type { PriceList } from './prices.ts'

let database: TestDatabase
beforeAll(async () => {
  database = await createTestDatabase()
})
afterAll(() => database.drop())

const operator = { userId: newId() }
const listOf = (input: number): PriceList => ({
  ...defaultPrices,
  models: { 'openai/x': { input, cachedInput: 1, cacheWriteInput: 1, output: 1, reasoning: 1 } },
})
/** As a control plane that has just started sees it. */
const currentVersion = async () => (await createPrices(database).current()).version

describe('price lists', () => {
  it('begin with the one that comes with Reef, however many control planes start at once', async () => {
    const planes = Array.from({ length: 8 }, () => createPrices(database))
    const current = await Promise.all(planes.map((plane) => plane.current()))
    expect(new Set(current.map(({ version }) => version))).toEqual(new Set([1]))
    expect(current[0]?.list).toEqual(defaultPrices)
    expect(await planes[0]?.list()).toHaveLength(1)
  })

  it('are followed by what operators publish, at once or at their time', async () => {
    const prices = createPrices(database)
    await prices.current()
    const published = await prices.publish(operator, listOf(2), null)
    expect(published).toMatchObject({ version: 2, createdBy: operator.userId })
    // Who published it sees it at once.
    expect((await prices.current()).list).toEqual(listOf(2))
    const later = await prices.publish(operator, listOf(3), new Date(Date.now() + 3_600_000))
    expect(await currentVersion()).toBe(2)
    // What is published last replaces also what was still to come.
    const last = await prices.publish(operator, listOf(4), null)
    expect(await currentVersion()).toBe(last.version)
    expect((await prices.list()).map(({ version }) => version)).toEqual([last.version, later.version, 2, 1])
  })

  it('are never changed, by nobody whom the application can become', async () => {
    for (const statement of [sql`update price_lists set prices = '{}'`, sql`delete from price_lists`])
      await expect(database.asSystem((trx) => statement.execute(trx))).rejects.toThrow('permission denied')
  })

  it('are refused with the field when a price is none, or for the past', async () => {
    const prices = createPrices(database)
    const refused = (list: PriceList, at: Date | null = null) => prices.publish(operator, list, at)
    for (const input of [-1, 1.5, Number.NaN, 1e13])
      await expect(refused(listOf(input))).rejects.toMatchObject({
        kind: 'invalid',
        field: 'prices.models.openai/x.input',
      })
    await expect(refused({ ...listOf(1), storagePerGibibyteMonth: -1 })).rejects.toMatchObject({
      field: 'prices.storagePerGibibyteMonth',
    })
    await expect(
      refused({ ...listOf(1), models: { gpt: listOf(1).models['openai/x'] as never } }),
    ).rejects.toMatchObject({ field: 'prices.models.gpt' })
    await expect(refused(listOf(1), new Date(Date.now() - 3_600_000))).rejects.toMatchObject({
      field: 'effectiveFrom',
    })
  })
})
