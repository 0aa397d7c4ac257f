import { describe, expect, it } from 'vitest'
import { createTestClock } from '../../../test/support/clock.ts'
import { createBriefCache } from './brief-cache.ts'

describe('brief cache', () => {
  const setUp = (entriesMax?: number) => {
    const clock = createTestClock()
    const cache = createBriefCache<number>({
      clock,
      milliseconds: 1000,
      ...(entriesMax === undefined ? {} : { entriesMax }),
    })
    let loads = 0
    return { clock, cache, load: async () => ++loads, loads: () => loads }
  }

  it('forgets an answer when its time is over, counted from before the load began', async () => {
    const { clock, cache, load } = setUp()
    await cache.get('key', async () => {
      clock.advance(400)
      return load()
    })
    clock.advance(599)
    expect(await cache.get('key', load)).toBe(1)
    clock.advance(1)
    expect(await cache.get('key', load)).toBe(2)
  })

  it('loads once for callers at the same moment', async () => {
    const { cache, load, loads } = setUp()
    await Promise.all(Array.from({ length: 10 }, () => cache.get('key', load)))
    expect(loads()).toBe(1)
  })

  it('keeps no failure', async () => {
    const { cache, load } = setUp()
    await expect(cache.get('key', () => Promise.reject(new Error('down')))).rejects.toThrow('down')
    expect(await cache.get('key', load)).toBe(1)
  })

  it('keeps no answer alive when the clock is set back', async () => {
    const { clock, cache, load } = setUp()
    await cache.get('key', load)
    clock.advance(-3_600_000)
    expect(await cache.get('key', load)).toBe(2)
  })

  it('drops the oldest answer when it is full', async () => {
    const { cache, load, loads } = setUp(2)
    await cache.get('a', load)
    await cache.get('b', load)
    await cache.get('c', load)
    await cache.get('b', load)
    expect(loads()).toBe(3)
    await cache.get('a', load)
    expect(loads()).toBe(4)
  })
})
