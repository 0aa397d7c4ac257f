import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openSlotSecrets } from './secrets.ts'
import { withSecrets } from './secrets-config.ts'

let slot: string
beforeEach(() => {
  slot = mkdtempSync(join(tmpdir(), 'reef-slot-'))
})
afterEach(() => {
  openSlotSecrets(slot).clear()
  rmSync(slot, { recursive: true })
})

const secret = (name: string, value: string, exposeToTools = false) => ({
  name,
  value,
  version: 1,
  exposeToTools,
})
const read = (path: string): unknown => JSON.parse(readFileSync(path, 'utf8'))

test('values lie in memory, for this user alone, and the exposed ones apart', () => {
  const secrets = openSlotSecrets(slot)
  secrets.take([secret('A', 'one'), secret('B', 'two', true)])
  expect(read(secrets.paths.values)).toEqual({ A: 'one', B: 'two' })
  expect(read(secrets.paths.exposed)).toEqual({ B: 'two' })
  expect(secrets.inMemory).toBe(existsSync('/dev/shm'))
  for (const path of Object.values(secrets.paths)) expect(statSync(path).mode & 0o777).toBe(0o600)
  expect(statSync(dirname(secrets.paths.values)).mode & 0o777).toBe(0o700)
  expect(readdirSync(dirname(secrets.paths.values))).toHaveLength(2)
})

test('OpenClaw reads again only when a value changed', () => {
  const secrets = openSlotSecrets(slot)
  expect(secrets.take([])).toBe(false)
  expect(secrets.take([secret('A', 'one')])).toBe(true)
  expect(secrets.take([secret('A', 'one')])).toBe(false)
  // Commands read their file each time by themselves.
  expect(secrets.take([secret('A', 'one', true)])).toBe(false)
  expect(read(secrets.paths.exposed)).toEqual({ A: 'one' })
  expect(secrets.take([secret('A', 'two', true)])).toBe(true)
  expect(secrets.take([])).toBe(true)
  expect(read(secrets.paths.values)).toEqual({})
})

test('what a killed supervisor left is gone with the next start, and all is gone with the end', () => {
  openSlotSecrets(slot).take([secret('A', 'one')])
  const next = openSlotSecrets(slot)
  expect(read(next.paths.values)).toEqual({})
  next.clear()
  expect(existsSync(dirname(next.paths.values))).toBe(false)
})

test('a link that somebody put in the place of the directory is not followed', () => {
  const { paths, clear } = openSlotSecrets(slot)
  clear()
  const trap = join(slot, 'trap')
  mkdirSync(trap)
  symlinkSync(trap, dirname(paths.values))
  openSlotSecrets(slot).take([secret('A', 'one')])
  expect(readdirSync(trap)).toEqual([])
})

test('without a file system in memory it says so', () => {
  expect(openSlotSecrets(slot, ['/none', '/proc']).inMemory).toBe(false)
})

test('values in a text are replaced by their names, line by line, and short ones are left', () => {
  const secrets = openSlotSecrets(slot)
  secrets.take([
    secret('TOKEN', 'abcdef123'),
    secret('KEY', '-----BEGIN\nMIIEowIBAAKC\n'),
    secret('PIN', '1234'),
  ])
  expect(secrets.redact('a abcdef123 b abcdef123, MIIEowIBAAKC, 1234')).toBe(
    'a [secret TOKEN] b [secret TOKEN], [secret KEY], 1234',
  )
})

test('the configuration names files and holds no value, and is the same whoever owns the slot', () => {
  const secrets = openSlotSecrets(slot)
  const before = withSecrets(
    { plugins: { load: { paths: ['/owner’s', '/old/supervisor/secrets-plugin'] } } },
    secrets.paths,
  )
  secrets.take([secret('A', 'the value')])
  const after = withSecrets(before, secrets.paths)
  expect(after).toEqual(before)
  expect(JSON.stringify(after)).not.toContain('the value')
  expect(after).toMatchObject({
    secrets: {
      providers: { reef: { source: 'file', path: secrets.paths.values } },
      defaults: { file: 'reef' },
    },
    plugins: { load: { paths: ['/owner’s', expect.stringMatching(/supervisor\/secrets-plugin$/)] } },
  })
})

test('an owner’s own default provider stays', () => {
  const { paths } = openSlotSecrets(slot)
  const config = withSecrets(
    { secrets: { defaults: { file: 'mine' }, providers: { mine: { source: 'file' } } } },
    paths,
  )
  expect(config).toMatchObject({ secrets: { defaults: { file: 'mine' }, providers: { mine: {}, reef: {} } } })
})
