import { describe, expect, it } from 'vitest'
import { createBatched } from './batch.ts'

describe('batched work', () => {
  it('does at once what comes alone, and together what comes meanwhile', async () => {
    const batches: number[][] = []
    const finish: (() => void)[] = []
    const write = createBatched<number, number>((items) => {
      batches.push(items)
      return new Promise((resolve) => finish.push(() => resolve(items)))
    })
    const written = [1, 2, 3].map((item) => write(item))
    expect(batches).toEqual([[1]])
    finish[0]?.()
    await written[0]
    await expect.poll(() => batches).toEqual([[1], [2, 3]])
    finish[1]?.()
    await Promise.all(written)
    const later = write(4)
    expect(batches).toEqual([[1], [2, 3], [4]])
    finish[2]?.()
    await later
  })

  it('fails only the items that are to blame, and goes on after them', async () => {
    const done: number[] = []
    const write = createBatched<number, number>(async (items) => {
      await null
      if (items.includes(3)) throw new Error('three')
      done.push(...items)
      return items.map((item) => item * 10)
    })
    const results = await Promise.allSettled([1, 2, 3, 4].map((item) => write(item)))
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'fulfilled'])
    await write(5)
    expect(done).toEqual([1, 2, 4, 5])
    expect(results[3]).toMatchObject({ value: 40 })
  })
})

it('does none of a batch alone when the failure is nobody’s fault', async () => {
  let attempts = 0
  const batched = createBatched(
    async (_items: number[]): Promise<number[]> => {
      attempts += 1
      throw new Error('away')
    },
    (error) => (error as Error).message === 'away',
  )
  const results = await Promise.allSettled([1, 2, 3, 4].map((item) => batched(item)))
  expect(results.map(({ status }) => status)).toEqual(Array(4).fill('rejected'))
  // The first alone, since it did not wait, and then all others together.
  expect(attempts).toBe(2)
})
