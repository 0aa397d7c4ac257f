import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestCommandLine, type TestCommandLine } from '../../../test/support/command-line.ts'

let cli: TestCommandLine

beforeAll(async () => {
  cli = await startTestCommandLine()
  expect(await reef(['provision', '--no-wait'])).toMatchObject({ code: 0 })
})
afterAll(async () => {
  await cli?.end()
})

const reef: TestCommandLine['reef'] = (...given) => cli.reef(...given)

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
