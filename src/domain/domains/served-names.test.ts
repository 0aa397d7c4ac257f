import { expect, test } from 'vitest'
import { createServedNames, type ServedNamesDeps } from './served-names.ts'

function names(overrides: Partial<ServedNamesDeps> = {}) {
  const asked: string[] = []
  let now = 0
  const served = createServedNames({
    domain: 'example.com',
    own: new Set(['app.example.net']),
    slugExists: async (slug) => {
      asked.push(slug)
      return slug === 'ada'
    },
    isCustomDomain: async (hostname) => {
      asked.push(hostname)
      return hostname === 'claw.ada.dev'
    },
    monotonicNow: () => now,
    limits: { lookUpsPerSecond: 10 },
    ...overrides,
  })
  return { ...served, asked, advance: (milliseconds: number) => (now += milliseconds) }
}

test('serves the dashboard, instances that exist and verified domains, and nothing else', async () => {
  const { check } = names()
  for (const name of ['app.example.net', 'example.com', 'ada.example.com', 'claw.ada.dev'])
    expect(await check(name), name).toBe('served')
  for (const name of ['bob.example.com', 'x.ada.example.com', 'ada.dev', 'adaexample.com', '127.0.0.1'])
    expect(await check(name), name).toBe('unknown')
})

test('what is no host name never reaches the database', async () => {
  const { check, asked } = names()
  for (const name of [
    '',
    '*.example.com',
    'ADA.example.com',
    'a b',
    `${'a.'.repeat(130)}com`,
    'ada.example.com.',
  ])
    expect(await check(name), name).toBe('unknown')
  expect(asked).toEqual([])
})

test('a handshake that is repeated asks once', async () => {
  const { check, asked, advance } = names()
  for (let round = 0; round < 5; round++) {
    await check('ada.example.com')
    await check('bob.example.com')
  }
  expect(asked).toEqual(['ada', 'bob'])
  advance(5_000)
  await check('bob.example.com')
  await check('ada.example.com')
  expect(asked).toEqual(['ada', 'bob', 'bob'])
})

test('a flood of made-up names is put off, and those who are known are still answered', async () => {
  const { check, asked, advance } = names()
  await check('ada.example.com')
  const answers = await Promise.all(Array.from({ length: 50 }, (_, n) => check(`made-up-${n}.example.com`)))
  expect(answers.filter((answer) => answer === 'later')).toHaveLength(41)
  expect(asked).toHaveLength(10)
  expect(await check('ada.example.com')).toBe('served')
  advance(1_000)
  expect(await check('later.example.com')).toBe('unknown')
})
