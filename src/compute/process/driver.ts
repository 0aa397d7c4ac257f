import { spawn } from 'node:child_process'
import { mkdir, open } from 'node:fs/promises'
import { dirname } from 'node:path'
import { supervisorNodeOptions } from '../../../supervisor/node-options.ts'
import {
  type ComputeDriver,
  ComputeError,
  type Handle,
  type Observation,
  type SlotSpec,
} from '../../domain/instances/compute.ts'
import { countMemoryKills, diagnose } from './diagnosis.ts'
import { withSlotLock } from './lock.ts'
import { boundLog, readTail } from './log-file.ts'
import { chooseFreePort } from './port.ts'
import { checkMachine } from './preflight.ts'
import {
  findStartTime,
  findStrays,
  findUnrecorded,
  isAlive,
  type ProcessIdentity,
  signal,
  waitForEnd,
} from './processes.ts'
import { type ControlFile, listSlotIds, openSlotDirectory, type SlotDirectory } from './slot-directory.ts'

export interface ProcessDriverOptions {
  /** Each slot is a folder in here. Nothing else should be. */
  directory: string
  /** Marks the slots of this Reef among others in the same directory. Not a secret; stable over restarts. */
  reefId: string
  /** Path of the program that runs in each slot; it is given the slot's directory as its one argument. */
  supervisorEntry: string
  /** Where instances look for programs. */
  path?: string
  logBytesMax?: number
}

/** Longer than OpenClaw's own shutdown budget of 325 s. */
const stopGraceSecondsMax = 330
/** For an orderly end of what is about to be replaced; its state is on disk already. */
const replaceMilliseconds = 15_000
/** After SIGKILL only the kernel is waited for; a process in uninterruptible sleep may take this long. */
const killMillisecondsMax = 10_000
const logTailBytes = 16 * 1024

/** From a process's disappearance to the event that tells its parent how it ended. */
const endMillisecondsMax = 1_000

/** Of the supervisors that this process has started: resolves once it is written down how it ended. */
const ends = new Map<number, Promise<void>>()

/**
 * Slots as ordinary processes of the user that runs Reef: a folder and a supervisor each. It isolates nothing.
 * The supervisor is the leader of its own session, so it survives the control plane, and the next one adopts it.
 */
export function createProcessDriver(options: ProcessDriverOptions): ComputeDriver {
  const { directory, reefId, supervisorEntry } = options
  const logBytesMax = options.logBytesMax ?? 4 * 1024 * 1024
  const openHandle = (handle: Handle): SlotDirectory =>
    openSlotDirectory(directory, typeof handle.slotId === 'string' ? handle.slotId : '')

  const ensure = async (spec: SlotSpec, previous: Handle | null): Promise<Handle> => {
    await mkdir(directory, { recursive: true, mode: 0o700 })
    const slot = openSlotDirectory(directory, spec.slotId)
    return withSlotLock(slot.path, async () => {
      await slot.create(reefId)
      const control = await slot.readControl()
      const running = await findRunningOf(slot, control, spec, supervisorEntry)
      const port =
        running && control
          ? control.port
          : await chooseFreePort(slot.path, control?.port ?? Number(previous?.port ?? 0))
      await slot.writeControl({
        linkUrl: spec.linkUrl,
        bootstrapToken: spec.bootstrapToken,
        slotId: spec.slotId,
        port,
        specVersion: spec.specVersion,
      })
      if (!running) await start(slot, options)
      return { slotId: spec.slotId, port }
    })
  }

  const observe = async (handle: Handle): Promise<Observation> => {
    const slot = openHandle(handle)
    if (!(await slot.isOwn(reefId))) return { phase: 'absent' }
    await boundLog(slot.log, logBytesMax)
    const supervisor = await slot.readSupervisor()
    if (await isAlive(supervisor)) {
      const control = await slot.readControl()
      return control
        ? { phase: 'running', address: `http://127.0.0.1:${control.port}` }
        : { phase: 'starting' }
    }
    // Our own child: how it ended is known in a moment, and would be guessed wrong before.
    const end = supervisor && ends.get(supervisor.pid)
    if (end) await Promise.race([end, new Promise((done) => setTimeout(done, endMillisecondsMax))])
    return diagnose({
      stopRequested: (await slot.readStop()) !== undefined,
      exit: await slot.readExit(),
      logTail: await readTail(slot.log, logTailBytes),
    })
  }

  const stop = async (handle: Handle, { graceSeconds }: { graceSeconds: number }): Promise<void> => {
    const slot = openHandle(handle)
    if (!(await slot.isOwn(reefId))) return
    const killAt = Date.now() + Math.min(graceSeconds, stopGraceSecondsMax) * 1000
    // The lock is not held while the grace passes, so that a removal in the meantime can cut it short.
    const stopping = await withSlotLock(slot.path, async () => {
      if (!(await slot.isOwn(reefId))) return []
      const supervisor = await findSupervisor(slot, supervisorEntry)
      const openclaw = await slot.readOpenclaw()
      await slot.writeStop({ killAt })
      // A living supervisor drains OpenClaw itself; one that crashed has left it behind.
      if (await isAlive(supervisor)) await signal(supervisor, 'SIGTERM', 'process')
      else await signal(openclaw, 'SIGTERM', 'group')
      return [supervisor, openclaw].filter((one) => one !== undefined)
    })
    await waitForEnd(stopping, killAt)
    await withSlotLock(slot.path, async () => {
      // Without the record somebody has started the slot anew in the meantime: that one is not ours to kill.
      if ((await slot.isOwn(reefId)) && (await slot.readStop())) await killAll(slot, supervisorEntry)
    })
  }

  return {
    name: 'process',
    capabilities: {
      isolation: 'none',
      suspend: false,
      freeze: false,
      egressControl: false,
      stopGraceSecondsMax,
    },
    preflight: () => checkMachine({ directory, supervisorEntry }),
    ensure: (spec, previous) => translateErrors(() => ensure(spec, previous)),
    observe: (handle) => translateErrors(() => observe(handle)),
    stop: (handle, stopOptions) => translateErrors(() => stop(handle, stopOptions)),
    remove: (handle) =>
      translateErrors(async () => {
        const slot = openHandle(handle)
        await withSlotLock(slot.path, async () => {
          if (!(await slot.isOwn(reefId))) return
          await killAll(slot, supervisorEntry)
          await slot.remove()
        })
      }),
    list: () =>
      translateErrors(async () => {
        const slotIds = await listSlotIds(directory, reefId)
        return Promise.all(
          slotIds.map(async (slotId) => {
            const control = await openSlotDirectory(directory, slotId).readControl()
            return { slotId, handle: { slotId, port: control?.port ?? null } }
          }),
        )
      }),
  }
}

/** The same, if it was started of what is wanted; of other software it ends, as it would by a stop. */
async function findRunningOf(
  slot: SlotDirectory,
  control: ControlFile | undefined,
  spec: SlotSpec,
  supervisorEntry: string,
): Promise<ProcessIdentity | undefined> {
  const running = await findRunning(slot, supervisorEntry)
  if (running === undefined || control?.specVersion === undefined || control.specVersion === spec.specVersion)
    return running
  await signal(running, 'SIGTERM', 'process')
  await waitForEnd([running], Date.now() + replaceMilliseconds)
  await killAll(slot, supervisorEntry)
  return undefined
}

/** The slot's supervisor if it is there to stay; one that is being stopped is refused or, when overdue, killed. */
async function findRunning(
  slot: SlotDirectory,
  supervisorEntry: string,
): Promise<ProcessIdentity | undefined> {
  const supervisor = await findSupervisor(slot, supervisorEntry)
  if (!(await isAlive(supervisor))) return undefined
  const stopping = await slot.readStop()
  if (!stopping) return supervisor
  if (Date.now() < stopping.killAt)
    throw new ComputeError(
      'unavailable',
      'The slot is still stopping. It can be started once it has stopped.',
    )
  await killAll(slot, supervisorEntry)
  return undefined
}

async function findSupervisor(
  slot: SlotDirectory,
  supervisorEntry: string,
): Promise<ProcessIdentity | undefined> {
  const recorded = await slot.readSupervisor()
  if (await isAlive(recorded)) return recorded
  const unrecorded = await findUnrecorded(supervisorEntry, slot.path)
  if (unrecorded) await slot.writeSupervisor(unrecorded)
  return unrecorded
}

async function start(slot: SlotDirectory, options: ProcessDriverOptions): Promise<void> {
  await slot.forgetEnd()
  const memoryKillsBefore = await countMemoryKills()
  const log = await open(slot.log, 'a', 0o600)
  try {
    const child = spawn(process.execPath, [...supervisorNodeOptions, options.supervisorEntry, slot.path], {
      cwd: slot.path,
      env: environmentOf(slot, options.path),
      detached: true,
      stdio: ['ignore', log.fd, log.fd],
    })
    await new Promise((done, failed) => {
      child.once('spawn', done)
      child.once('error', failed)
    })
    const pid = child.pid as number // 'spawn' was emitted, so it has one
    child.unref()
    // A supervisor that has already ended is recorded all the same, so that its end is seen as its end.
    const recorded = findStartTime(pid).then((startTime) =>
      slot.writeSupervisor({ pid, startTime: startTime ?? 'ended at once' }),
    )
    const end = new Promise<void>((done) => {
      child.once('exit', (code, signalName) => {
        recorded
          .then(() => recordExit(slot, pid, { code, signal: signalName }, memoryKillsBefore))
          .catch(() => undefined)
          .finally(() => {
            ends.delete(pid)
            done()
          })
      })
    })
    ends.set(pid, end)
    await recorded
  } finally {
    await log.close()
  }
}

async function recordExit(
  slot: SlotDirectory,
  pid: number,
  end: { code: number | null; signal: string | null },
  memoryKillsBefore: number,
): Promise<void> {
  const machineRanOutOfMemory = (await countMemoryKills()) > memoryKillsBefore
  // The slot may have been started anew or removed by now; then nobody asks how this one ended.
  if ((await slot.readSupervisor())?.pid === pid) await slot.writeExit({ ...end, machineRanOutOfMemory })
}

/** All that a slot is told. Nothing of the control plane's own environment, which holds its secrets, is passed on. */
function environmentOf(slot: SlotDirectory, path: string | undefined): Record<string, string> {
  return {
    PATH: `${dirname(process.execPath)}:${path ?? '/opt/homebrew/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'}`,
    HOME: slot.home,
    REEF_SLOT_DIR: slot.path,
    TZ: Intl.DateTimeFormat().resolvedOptions().timeZone,
    LANG: process.platform === 'darwin' ? 'en_US.UTF-8' : 'C.UTF-8',
  }
}

/** Ends the supervisor, OpenClaw and whatever they started, and waits until the kernel has done so. */
async function killAll(slot: SlotDirectory, supervisorEntry: string): Promise<void> {
  const deadline = Date.now() + killMillisecondsMax
  // What is about to be killed may start another just before: look until nothing is left.
  do {
    const leaders = [await findSupervisor(slot, supervisorEntry), await slot.readOpenclaw()]
    const strays = await findStrays(slot.path)
    const found = [...leaders.filter((one) => one !== undefined), ...strays]
    for (const leader of leaders) await signal(leader, 'SIGKILL', 'group')
    for (const stray of strays) await signal(stray, 'SIGKILL', 'process')
    if (!(await waitForEnd(found, deadline)))
      throw new ComputeError('unavailable', 'A process of the slot does not end although it was killed.')
  } while ((await findStrays(slot.path)).length > 0)
}

async function translateErrors<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof ComputeError) throw error
    const { code, message } = error as NodeJS.ErrnoException
    if (code === 'ENOSPC' || code === 'EDQUOT')
      throw new ComputeError('unavailable', 'The disk of the data directory is full. Free some space.', error)
    if (code === 'EAGAIN' || code === 'ENOMEM' || code === 'EMFILE')
      throw new ComputeError('no_capacity', 'This machine has no room for another process.', error)
    throw new ComputeError('unavailable', message, error)
  }
}
