import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestApp, type TestApp } from '../../test/support/app.ts'
import { runReef } from '../../test/support/command-line.ts'

const password = 'correct horse battery'

let app: TestApp
let home: string

beforeAll(async () => {
  app = await startTestApp()
  home = await mkdtemp(join(tmpdir(), 'reef-cli-'))
})
afterAll(async () => {
  await app?.end()
  if (home) await rm(home, { recursive: true })
})

/** Nobody is logged in at first. */
const reef: typeof runReef = (argv, { environment, ...options } = {}) =>
  runReef(argv, {
    ...options,
    environment: { XDG_CONFIG_HOME: home, REEF_URL: app.url, ...environment },
  })

const signUp = (email: string, environment?: Record<string, string>) =>
  reef(['sign-up', '--name', 'Ada', '--email', email, '--password-stdin'], {
    input: `${password}\n`,
    ...(environment ? { environment } : {}),
  })

test('before anyone logs in, every command says how to, with its own exit code', async () => {
  expect(await reef(['status'])).toMatchObject({ code: 3, stderr: expect.stringContaining('reef login') })
  const { stderr } = await reef(['status', '--json'])
  expect(JSON.parse(stderr)).toMatchObject({ error: { code: 'not_logged_in' } })
})

test('a person signs up, launches, stops, starts, restarts and deletes from the terminal', async () => {
  expect(await signUp('ada@example.com')).toMatchObject({ code: 0 })
  expect((await reef(['whoami'])).stdout).toContain('ada@example.com')
  expect((await reef(['status'])).stdout).toContain('reef provision')

  const launched = await reef(['provision', '--name', 'Workshop'])
  expect(launched).toMatchObject({ code: 0, stdout: expect.stringMatching(/^\S+ is running: http/) })
  expect(launched.stderr).toContain('OpenClaw ready')
  expect(JSON.parse((await reef(['status', '--json'])).stdout)).toMatchObject({
    name: 'Workshop',
    status: 'running',
  })

  expect((await reef(['stop'])).stdout).toContain('is stopped')
  // A stop is sticky, so what needs a running instance is refused with what can be done.
  expect(await reef(['restart'])).toMatchObject({ code: 1, stderr: expect.stringMatching(/\w/) })
  expect((await reef(['start'])).stdout).toContain('is running')
  expect((await reef(['restart'])).stdout).toContain('is running')
  expect((await reef(['open'])).stdout).toMatch(/^http:\/\/\S+\n$/)
  expect(await reef(['logs'])).toMatchObject({ code: 0 })

  expect(await reef(['deprovision'])).toMatchObject({ code: 2, stderr: expect.stringContaining('--yes') })
  expect(await reef(['deprovision', '--yes'])).toMatchObject({ code: 0 })
})

test('a key printed once works for programs until it is revoked', async () => {
  const { stdout } = await reef(['keys', 'create', 'ci', '--scope', 'instances:read'])
  const environment = { REEF_API_KEY: stdout.trim(), XDG_CONFIG_HOME: '/dev/null/nowhere' }
  expect(stdout).toMatch(/^oc_\S+\n$/)
  expect((await reef(['keys', 'list'])).stdout).toMatch(/^ci {2}/m)
  expect(await reef(['status', '--json'], { environment })).toMatchObject({ code: 0 })
  // It may read and nothing else; that it is the scope is for its holder to know.
  expect(await reef(['provision'], { environment })).toMatchObject({
    code: 4,
    stderr: expect.stringContaining('scope'),
  })
  expect(await reef(['keys', 'revoke', 'ci'])).toMatchObject({ code: 0 })
  await expect.poll(() => reef(['status'], { environment }), { timeout: 10_000 }).toMatchObject({ code: 3 })
})

test('a wrong password is told without a stack, and changes nothing', async () => {
  const login = await reef(['login', '--email', 'ada@example.com', '--password-stdin'], { input: 'wrong' })
  expect(login).toMatchObject({ code: 3, stdout: '' })
  expect(login.stderr.trim().split('\n')).toHaveLength(1)
  expect((await reef(['whoami'])).stdout).toContain('ada@example.com')
})

test('what another person has is as absent as what nobody has', async () => {
  const environment = { XDG_CONFIG_HOME: join(home, 'grace') }
  await signUp('grace@example.com', environment)
  const { stdout } = await reef(['provision', '--no-wait', '--json'])
  const { slug } = JSON.parse(stdout) as { slug: string }
  const foreign = await reef(['status', '--instance', slug], { environment })
  const absent = await reef(['status', '--instance', 'nobody-has-this'], { environment })
  expect(foreign).toMatchObject({ code: 4, stdout: '' })
  expect(foreign.stderr.replace(slug, 'X')).toBe(absent.stderr.replace('nobody-has-this', 'X'))
})

test('logging out ends the log-in at Reef too', async () => {
  expect((await reef(['logout'])).stdout).toContain('Logged out of')
  expect(await reef(['whoami'])).toMatchObject({ code: 3 })
  expect((await reef(['logout'])).stdout).toContain('not logged in')
})

test('a Reef that is not there is told apart from one that refuses', async () => {
  const environment = { REEF_URL: 'http://127.0.0.1:1', REEF_API_KEY: 'oc_x' }
  expect(await reef(['status'], { environment })).toMatchObject({
    code: 5,
    stderr: expect.stringContaining('reef up'),
  })
})

test('a secret is read from standard input, is never printed, and is listed and removed', async () => {
  const environment = { XDG_CONFIG_HOME: `${home}/secrets` }
  expect(await signUp('secret@example.com', environment)).toMatchObject({ code: 0 })
  expect(await reef(['provision'], { environment })).toMatchObject({ code: 0 })
  const set = await reef(['secrets', 'set', 'API_TOKEN', '--expose'], { input: 'the value\n', environment })
  expect(set).toMatchObject({ code: 0, stdout: 'API_TOKEN is version 1 now, seen by commands.\n' })
  const list = await reef(['secrets', 'list', '--json'], { environment })
  expect(JSON.parse(list.stdout)).toMatchObject([{ name: 'API_TOKEN', sizeBytes: 9, exposeToTools: true }])
  const audit = await reef(['secrets', 'audit'], { environment })
  expect(audit.stdout).toContain('created')
  expect(set.stdout + list.stdout + audit.stdout).not.toContain('the value')
  const shared = await reef(['secrets', 'set', 'SHARED', '--shared'], { input: 'x', environment })
  expect(shared).toMatchObject({ code: 0 })
  expect(await reef(['secrets', 'remove', 'API_TOKEN'], { environment })).toMatchObject({ code: 0 })
  expect(await reef(['secrets', 'remove', 'API_TOKEN'], { environment })).toMatchObject({ code: 4 })
})

test('a domain is added with the records to set, and refused with the reason', async () => {
  const environment = { XDG_CONFIG_HOME: `${home}/secrets` }
  const added = await reef(['domains', 'add', 'claw.example.com'], { environment })
  expect(added.stdout).toMatch(/is pending[\s\S]*TXT +_reef\.claw\.example\.com +reef-verify=/)
  expect((await reef(['domains', 'list'], { environment })).stdout).toContain('claw.example.com')
  expect(await reef(['domains', 'add', 'https://x.dev'], { environment })).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('bare name'),
  })
  expect(await reef(['domains', 'remove', 'claw.example.com'], { environment })).toMatchObject({ code: 0 })
})
