import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll } from 'vitest'
import { requireComponent } from '../../test/support/components.ts'
import { docker, dockerOrNot, openTestReef, type TestReef } from '../../test/support/docker.ts'
import { type ConformanceSubject, describeConformance } from './conformance.ts'
import { createFakeDriver } from './fake/driver.ts'
import { createFakeMachines } from './fake/machines.ts'
import { createProcessDriver } from './process/driver.ts'

const run = promisify(execFile)
const supervisorEntry = fileURLToPath(new URL('../../test/support/stand-in-supervisor.ts', import.meta.url))

describeConformance('process', async (): Promise<ConformanceSubject> => {
  const directory = await mkdtemp(join(tmpdir(), 'reef-process-'))
  const inSlot = (slotId: string, name: string): string => join(directory, slotId, name)
  // A machine must be up before it can be told to misbehave.
  const booted = async (slotId: string): Promise<void> => {
    const deadline = Date.now() + 10_000
    while (!existsSync(inSlot(slotId, 'boots'))) {
      if (Date.now() > deadline) throw new Error('the stand-in did not start')
      await new Promise((done) => setTimeout(done, 20))
    }
  }
  return {
    open: () => createProcessDriver({ directory, reefId: 'test', supervisorEntry }),
    countRunning: async (slotId) => {
      const { stdout } = await run('ps', ['-axo', 'state=,command='])
      return stdout.split('\n').filter((line) => !line.startsWith('Z') && line.endsWith(`/${slotId}`)).length
    },
    countBoots: async (slotId) => {
      await booted(slotId)
      return (await readFile(inSlot(slotId, 'boots'), 'utf8')).split('\n').length - 1
    },
    writeState: (slotId, text) => writeFile(inSlot(slotId, 'state'), text),
    readState: (slotId) => readFile(inSlot(slotId, 'state'), 'utf8').catch(() => undefined),
    crash: async (slotId) => {
      await booted(slotId)
      await writeFile(inSlot(slotId, 'crash'), '')
    },
    ignoreStop: async (slotId) => {
      await booted(slotId)
      await writeFile(inSlot(slotId, 'ignore-stop'), '')
    },
    dispose: () => rm(directory, { recursive: true, force: true }),
  }
})

describeConformance('fake', async (): Promise<ConformanceSubject> => {
  const machines = createFakeMachines()
  const find = (slotId: string) => machines.machines.get(slotId)
  return {
    open: () => createFakeDriver({ machines }),
    countRunning: async (slotId) => machines.countRunning(slotId),
    countBoots: async (slotId) => find(slotId)?.boots ?? 0,
    writeState: async (slotId, text) => void find(slotId)?.state.set('text', text),
    readState: async (slotId) => find(slotId)?.state.get('text'),
    crash: async (slotId) => machines.crash(slotId, 'told to crash'),
    ignoreStop: async (slotId) => {
      const machine = find(slotId)
      if (machine) machine.ignoresStop = true
    },
    dispose: async () => undefined,
  }
})

if (requireComponent('docker')) {
  let reef: TestReef | undefined
  afterAll(() => reef?.dispose())

  describeConformance('docker', async (): Promise<ConformanceSubject> => {
    reef ??= await openTestReef('10.214.0.0/24')
    const { open, nameOf } = reef
    const inSlot = (slotId: string, script: string): Promise<string | undefined> =>
      dockerOrNot('exec', '--workdir', '/home/agent/.openclaw', nameOf(slotId), 'bash', '-c', script)
    const booted = (slotId: string): Promise<string | undefined> =>
      inSlot(slotId, 'until [ -e boots ]; do sleep 0.05; done')
    return {
      open: () => open(),
      countRunning: async (slotId) => {
        const running = ['--filter', 'status=running', '--filter', `label=reef.slot=${slotId}`]
        return (await docker('ps', '--quiet', ...running)).split('\n').filter(Boolean).length
      },
      countBoots: async (slotId) => {
        await booted(slotId)
        return Number(await inSlot(slotId, 'wc -l < boots'))
      },
      writeState: async (slotId, text) => void (await inSlot(slotId, `printf %s ${text} > state`)),
      readState: (slotId) => inSlot(slotId, 'cat state'),
      crash: async (slotId) => {
        await booted(slotId)
        // Once more than the engine itself starts it again, which five times would take long.
        await docker('update', '--restart', 'on-failure:1', nameOf(slotId))
        await inSlot(slotId, 'echo 1 > crash.draft && mv crash.draft crash')
      },
      ignoreStop: async (slotId) => {
        await booted(slotId)
        await inSlot(slotId, 'touch ignore-stop')
      },
      dispose: async () => undefined,
    }
  })
}
