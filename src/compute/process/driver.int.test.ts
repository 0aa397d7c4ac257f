import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chmod, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { eventually } from '../../../test/support/eventually.ts'
import type { SlotSpec } from '../../domain/instances/compute.ts'
import { newId } from '../../ids.ts'
import { createProcessDriver } from './driver.ts'
import { findStartTime, isAlive } from './processes.ts'

const supervisorEntry = fileURLToPath(
  new URL('../../../test/support/stand-in-supervisor.ts', import.meta.url),
)

let directory: string
const others: ChildProcess[] = []
const open = (logBytesMax?: number) =>
  createProcessDriver({ directory, reefId: 'test', supervisorEntry, ...(logBytesMax ? { logBytesMax } : {}) })

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'reef-process-'))
})
afterEach(async () => {
  for (const { handle } of await open().list()) await open().remove(handle)
  for (const other of others.splice(0)) other.kill('SIGKILL')
  await rm(directory, { recursive: true, force: true })
})

test('the control plane’s secrets do not reach the slot, and its files are its owner’s alone', async () => {
  process.env.DATABASE_URL = 'postgres://secret'
  process.env.OPENAI_API_KEY = 'canary'
  const spec = newSpec()
  await open().ensure(spec, null)
  const environment = await eventually(async () =>
    JSON.parse(await readFile(inSlot(spec, 'environment.json'), 'utf8')),
  )
  expect(Object.keys(environment).sort()).toEqual(['HOME', 'LANG', 'PATH', 'REEF_SLOT_DIR', 'TZ'])
  expect(environment.HOME.startsWith(environment.REEF_SLOT_DIR)).toBe(true)
  expect(JSON.stringify(environment)).not.toMatch(/canary|secret/)
  expect((await stat(inSlot(spec, 'control.json'))).mode & 0o777).toBe(0o600)
  expect((await stat(inSlot(spec, 'supervisor.log'))).mode & 0o777).toBe(0o600)
})

test('a recycled pid is not taken for the supervisor and is not signalled', async () => {
  const driver = open()
  const spec = newSpec()
  const handle = await driver.ensure(spec, null)
  await driver.stop(handle, { graceSeconds: 5 })
  const innocent = sleeper({})
  const startTime = (await findStartTime(innocent.pid)) as string
  await writeFile(inSlot(spec, 'supervisor.pid.json'), JSON.stringify({ pid: innocent.pid, startTime: '1' }))
  await writeFile(inSlot(spec, 'openclaw.pid.json'), JSON.stringify({ pid: innocent.pid, startTime: '1' }))
  expect((await driver.observe(handle)).phase).toBe('exited')
  await driver.remove(handle)
  expect(await isAlive({ pid: innocent.pid, startTime })).toBe(true)
})

test('a supervisor whose control plane died before recording it is adopted, not doubled', async () => {
  const spec = newSpec()
  await open().ensure(spec, null)
  const recorded = await readFile(inSlot(spec, 'supervisor.pid.json'), 'utf8')
  await rm(inSlot(spec, 'supervisor.pid.json'))
  await open().ensure(spec, null)
  expect(await readFile(inSlot(spec, 'supervisor.pid.json'), 'utf8')).toBe(recorded)
})

test('a changed link address reaches the running slot, and its port stays', async () => {
  const spec = newSpec()
  const handle = await open().ensure(spec, null)
  const again = await open().ensure({ ...spec, linkUrl: 'ws://127.0.0.1:9/link', bootstrapToken: null }, null)
  expect(again).toEqual(handle)
  expect(JSON.parse(await readFile(inSlot(spec, 'control.json'), 'utf8'))).toEqual({
    linkUrl: 'ws://127.0.0.1:9/link',
    bootstrapToken: null,
    specVersion: spec.specVersion,
    slotId: spec.slotId,
    port: handle.port,
  })
})

test('a restarted slot keeps its port, or gets another when somebody took it', async () => {
  const driver = open()
  const spec = newSpec()
  const handle = await driver.ensure(spec, null)
  await driver.stop(handle, { graceSeconds: 5 })
  const same = await driver.ensure(spec, handle)
  expect(same.port).toBe(handle.port)
  await driver.stop(same, { graceSeconds: 5 })
  const squatter = createServer().listen(handle.port as number, '127.0.0.1')
  await new Promise((done) => squatter.once('listening', done))
  const moved = await driver.ensure(spec, same)
  await new Promise((done) => squatter.close(done))
  expect(moved.port).not.toBe(handle.port)
  expect((await driver.observe(moved)).address).toBe(`http://127.0.0.1:${moved.port}`)
})

test('stop ends OpenClaw too when its supervisor was killed, with its process group and whatever left that', async () => {
  const driver = open()
  const spec = newSpec()
  const handle = await driver.ensure(spec, null)
  const supervisor = JSON.parse(await readFile(inSlot(spec, 'supervisor.pid.json'), 'utf8'))
  await eventually(() => readFile(inSlot(spec, 'environment.json')))
  const openclaw = sleeper({})
  const stray = sleeper({ HOME: inSlot(spec, 'home') })
  const identities = await Promise.all(
    [openclaw, stray].map(async ({ pid }) => ({ pid, startTime: (await findStartTime(pid)) as string })),
  )
  await writeFile(inSlot(spec, 'openclaw.pid.json'), JSON.stringify(identities[0]))
  process.kill(supervisor.pid, 'SIGKILL')
  const seen = await eventually(async () => {
    const observation = await driver.observe(handle)
    if (!observation.failure || observation.failure.code === 'unknown')
      throw new Error(JSON.stringify(observation))
    return observation
  })
  expect(seen).toMatchObject({
    phase: 'failed',
    failure: { code: 'crashed', message: expect.stringMatching(/SIGKILL.*stand-in started/s) },
  })
  expect(await Promise.all(identities.map(isAlive))).toEqual([true, true])
  await driver.stop(handle, { graceSeconds: 0 })
  // The stray is found by its environment, which only Linux shows.
  expect(await Promise.all(identities.map(isAlive))).toEqual([false, process.platform !== 'linux'])
})

test('while a slot drains it is not started anew, and a removal cuts the draining short', async () => {
  const driver = open()
  const spec = newSpec()
  const handle = await driver.ensure(spec, null)
  await eventually(() => readFile(inSlot(spec, 'boots')))
  await writeFile(inSlot(spec, 'ignore-stop'), '')
  const stopping = driver.stop(handle, { graceSeconds: 60 })
  await eventually(() => readFile(inSlot(spec, 'stop.json')))
  await expect(open().ensure(spec, handle)).rejects.toMatchObject({ reason: 'unavailable', retryable: true })
  await open().remove(handle)
  await stopping
  expect(await driver.observe(handle)).toEqual({ phase: 'absent' })
})

test('a slot whose stop was cut short by a crash of the control plane is killed when its grace is over', async () => {
  const driver = open()
  const spec = newSpec()
  const handle = await driver.ensure(spec, null)
  const first = await readFile(inSlot(spec, 'supervisor.pid.json'), 'utf8')
  await writeFile(inSlot(spec, 'stop.json'), JSON.stringify({ killAt: Date.now() - 1 }))
  await driver.ensure(spec, handle)
  expect(await readFile(inSlot(spec, 'supervisor.pid.json'), 'utf8')).not.toBe(first)
  expect(await isAlive(JSON.parse(first))).toBe(false)
})

test('the log stays within its bound while the supervisor goes on writing', async () => {
  const bytesMax = 256 * 1024
  const driver = open(bytesMax)
  const spec = newSpec()
  const handle = await driver.ensure(spec, null)
  await eventually(() => readFile(inSlot(spec, 'boots')))
  await writeFile(inSlot(spec, 'chatter'), '')
  await eventually(async () => {
    await driver.observe(handle)
    if (!existsSync(inSlot(spec, 'supervisor.log.1'))) throw new Error('not yet moved')
  })
  await eventually(async () => {
    if ((await stat(inSlot(spec, 'supervisor.log'))).size === 0) throw new Error('the writer stopped')
  })
  expect((await stat(inSlot(spec, 'supervisor.log'))).size).toBeLessThan(bytesMax)
  expect((await stat(inSlot(spec, 'supervisor.log.1'))).size).toBeLessThanOrEqual(bytesMax)
})

test('folders of others are neither listed nor removed, and no path can be smuggled in as an id', async () => {
  const driver = open()
  const foreign = newId()
  await mkdir(join(directory, foreign))
  await writeFile(
    join(directory, foreign, 'slot.json'),
    JSON.stringify({ reefId: 'another', slotId: foreign }),
  )
  await mkdir(join(directory, 'somebody'))
  expect(await driver.list()).toEqual([])
  await driver.remove({ slotId: foreign })
  expect(existsSync(join(directory, foreign))).toBe(true)
  await expect(driver.ensure({ ...newSpec(), slotId: foreign }, null)).rejects.toMatchObject({
    retryable: false,
  })
  await expect(driver.remove({ slotId: '../somebody' })).rejects.toMatchObject({ reason: 'rejected' })
  await expect(driver.remove({})).rejects.toMatchObject({ reason: 'rejected' })
})

test('preflight says that nothing is isolated, and what is missing with its remedy', async () => {
  const good = await createProcessDriver({
    directory,
    reefId: 'test',
    supervisorEntry: fileURLToPath(new URL('../../../supervisor/main.ts', import.meta.url)),
  }).preflight()
  expect(good.find((check) => check.name === 'openclaw')).toMatchObject({ ok: true })
  expect(good.find((check) => check.name === 'isolation')?.detail).toMatch(/isolates nothing/)
  await writeFile(join(directory, 'file'), '')
  await chmod(directory, 0o755)
  const bad = await createProcessDriver({
    directory: join(directory, 'file'),
    reefId: 'test',
    supervisorEntry: '/nonexistent/main.ts',
  }).preflight()
  expect(bad.find((check) => check.name === 'directory')).toMatchObject({
    ok: false,
    detail: expect.stringMatching(/REEF_DATA_DIR/),
  })
  expect(bad.find((check) => check.name === 'openclaw')).toMatchObject({
    ok: false,
    detail: expect.stringMatching(/npm ci/),
  })
})

function newSpec(): SlotSpec {
  return {
    slotId: newId(),
    specVersion: 'test-1',
    linkUrl: 'ws://127.0.0.1:1/link',
    bootstrapToken: 'one-time',
    limits: { memoryMebibytes: 2048, cpus: 2, pids: 512 },
  }
}

function inSlot(spec: SlotSpec, name: string): string {
  return join(directory, spec.slotId, name)
}

/** A process that does nothing, leads its own group and would outlive the test. */
function sleeper(environment: Record<string, string>): ChildProcess & { pid: number } {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => undefined, 1000)'], {
    env: environment,
    detached: true,
    stdio: 'ignore',
  })
  others.push(child)
  return child as ChildProcess & { pid: number }
}
