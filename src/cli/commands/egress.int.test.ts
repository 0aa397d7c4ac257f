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
  expect(await reef(['provision', '--no-wait'])).toMatchObject({ code: 0 })
})
afterAll(async () => {
  await app?.end()
  if (home) await rm(home, { recursive: true })
})

/** The command line as a person runs it. */
async function reef(
  argv: string[],
  input = '',
): Promise<{ code: number | null; stdout: string; stderr: string }> {
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

test('a person sees, allows and takes back what their instance reaches', async () => {
  expect((await reef(['egress', 'list'])).stdout).toContain('Nothing may be reached yet')
  expect((await reef(['egress', 'allow', 'api.example.com', '--port', '443', '8443'])).stdout).toMatch(
    /api\.example\.com +443 8443 +here/,
  )
  expect((await reef(['egress', 'preset', 'npm', '--all'])).stdout).toContain('registry.npmjs.org')
  const { rules } = JSON.parse((await reef(['egress', 'list', '--json'])).stdout)
  expect(rules.map((rule: { domain: string; inherited: boolean }) => [rule.domain, rule.inherited])).toEqual([
    ['api.example.com', false],
    ['registry.npmjs.org', true],
    ['registry.yarnpkg.com', true],
  ])
  expect((await reef(['egress', 'deny', 'api.example.com'])).stdout).not.toContain('api.example.com')
  expect((await reef(['egress', 'preset'])).stdout).toMatch(/github +Code/)
  expect((await reef(['egress', 'denied'])).stdout).toContain('Nothing was refused')
})

test('what cannot be says why and what to do', async () => {
  const address = await reef(['egress', 'allow', '10.0.0.1'])
  expect(address).toMatchObject({ code: expect.any(Number), stderr: expect.stringContaining('only names') })
  expect(address.code).not.toBe(0)
  expect((await reef(['egress', 'mode', 'open'])).stderr).toContain('REEF_EGRESS_OPEN=1')
  expect((await reef(['egress', 'list', '--all', '--instance', 'x'])).stderr).toContain('--instance or --all')
  expect((await reef(['egress', 'deny', 'never.example.com'])).code).not.toBe(0)
})
