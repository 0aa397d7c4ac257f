import { describe, expect, it } from 'vitest'
import { createHintedCache } from './hinted-cache.ts'

const make = () => {
  let now = 0
  let lookUps = 0
  const cache = createHintedCache<{ id: string }>(
    (value) => [value.id],
    () => now,
  )
  return {
    cache,
    pass: (milliseconds: number) => {
      now += milliseconds
    },
    ask: (answer: { id: string } | undefined = { id: 'a' }) =>
      cache.get('question', async () => {
        lookUps += 1
        return answer
      }),
    lookUps: () => lookUps,
  }
}

describe('hinted cache', () => {
  it('answers for a second from memory and no longer', async () => {
    const { ask, pass, lookUps } = make()
    await Promise.all([ask(), ask()])
    pass(999)
    await ask()
    expect(lookUps()).toBe(1)
    pass(1)
    await ask()
    expect(lookUps()).toBe(2)
  })

  it('forgets at once what a hint names, and keeps the rest', async () => {
    const { cache, ask, lookUps } = make()
    await ask()
    cache.drop('b')
    await ask()
    expect(lookUps()).toBe(1)
    cache.drop('a')
    await ask()
    expect(lookUps()).toBe(2)
  })

  it('lets any hint end an answer that there is nothing, and one that is still looked up', async () => {
    const { cache, ask, lookUps } = make()
    await cache.get('question', async () => undefined)
    cache.drop('anything')
    const first = ask()
    cache.drop('anything')
    await Promise.all([first, ask()])
    expect(lookUps()).toBe(2)
  })

  it('does not remember a failure', async () => {
    const { cache, ask } = make()
    const failure = cache.get('question', () => Promise.reject(new Error('away')))
    await expect(failure).rejects.toThrow('away')
    expect(await ask()).toEqual({ id: 'a' })
  })

  it('does not grow without bound under made-up questions', async () => {
    const { cache } = make()
    let lookUps = 0
    const ask = (key: string) =>
      cache.get(key, async () => {
        lookUps += 1
        return undefined
      })
    for (let index = 0; index < 10_001; index++) await ask(`slug ${index}`)
    await ask('slug 0')
    expect(lookUps).toBe(10_002)
  })
})
