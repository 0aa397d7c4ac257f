import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestCommandLine, type TestCommandLine } from '../../../test/support/command-line.ts'

let cli: TestCommandLine

beforeAll(async () => {
  cli = await startTestCommandLine()
})
afterAll(async () => {
  await cli?.end()
})

const reef: TestCommandLine['reef'] = (...given) => cli.reef(...given)

test('prices are shown in credits, and an operator sets one without touching the others', async () => {
  expect((await reef(['prices'])).stdout).toMatch(/openai\/gpt-6-sol +240 +24 +300 +1,200/)
  const set = ['prices', 'set', 'openai/qwen3:32b', '--input', '1.5', '--output', '6']
  expect(await reef(set)).toMatchObject({ code: 0, stdout: expect.stringContaining('version 2') })
  expect(await reef(['prices', 'set', 'openai/gpt-6-sol', '--output', '1300'])).toMatchObject({ code: 0 })
  const { version, prices } = JSON.parse((await reef(['prices', '--json'])).stdout)
  expect(version).toBe(3)
  expect(prices.models).toMatchObject({
    'openai/qwen3:32b': {
      input: 1_500_000,
      cachedInput: 1_500_000,
      cacheWriteInput: 1_500_000,
      output: 6_000_000,
      reasoning: 6_000_000,
    },
    'openai/gpt-6-sol': { input: 240_000_000, cachedInput: 24_000_000, output: 1_300_000_000 },
    'demo/reef-demo': expect.anything(),
  })
})

test('what is no price says why', async () => {
  expect((await reef(['prices', 'set', 'openai/new', '--input', '1'])).stderr).toContain('--output')
  expect((await reef(['prices', 'set', 'openai/new', '--input', 'x', '--output', '1'])).stderr).toContain(
    '--input: x',
  )
  expect((await reef(['prices', 'set', 'new', '--input', '1', '--output', '1'])).stderr).toContain(
    'PROVIDER/MODEL',
  )
})
