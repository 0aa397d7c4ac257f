import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestApp, type TestApp } from '../../../test/support/app.ts'

const main = fileURLToPath(new URL('../main.ts', import.meta.url))
let app: TestApp
let home: string

beforeAll(async () => {
  app = await startTestApp()
  home = await mkdtemp(join(tmpdir(), 'reef-cli-'))
  const signUp = ['sign-up', '--name', 'Ada', '--email', 'ada@example.com', '--password-stdin']
  expect(await reef(signUp, 'correct horse battery\n')).toMatchObject({ code: 0 })
})
afterAll(async () => {
  await app?.end()
  if (home) await rm(home, { recursive: true })
})

/** The command line as a person runs it. */
async function reef(argv: string[], input = '') {
  const child = spawn(process.execPath, [main, ...argv], {
    env: { PATH: process.env.PATH, XDG_CONFIG_HOME: home, REEF_URL: app.url },
    stdio: 'pipe',
  })
  child.stdin.end(input)
  const output = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const)
    child[name].on('data', (chunk) => {
      output[name] += chunk
    })
  const code = await new Promise<number | null>((done) => child.on('close', done))
  return { code, ...output }
}

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
