import { readFile } from 'node:fs/promises'
import type { Observation } from '../../domain/instances/compute.ts'
import type { ExitRecord } from './slot-directory.ts'

/** sysexits.h EX_CONFIG, which OpenClaw and the supervisor use for a configuration that can never work. */
const exitCodeConfiguration = 78
const tailLinesMax = 8
const tailCharactersMax = 1_000

/** What is to be said of a supervisor that no longer runs. */
export function diagnose(end: {
  stopRequested: boolean
  exit: ExitRecord | undefined
  logTail: string
}): Observation {
  if (end.stopRequested || end.exit?.code === 0) return { phase: 'exited' }
  const { exit } = end
  const failed = (
    code: 'crashed' | 'out_of_memory' | 'configuration_invalid',
    what: string,
  ): Observation => ({
    phase: 'failed',
    failure: { code, message: withTail(what, end.logTail) },
  })
  if (/heap out of memory|Cannot allocate memory|ENOMEM/.test(end.logTail))
    return failed('out_of_memory', 'It needed more memory than there was.')
  if (!exit)
    return {
      phase: 'exited',
      failure: { code: 'unknown', message: withTail('It ended while nobody watched.', end.logTail) },
    }
  if (exit.signal === 'SIGKILL' && exit.machineRanOutOfMemory)
    return failed('out_of_memory', 'The machine ran out of memory and the kernel killed it.')
  if (exit.code === exitCodeConfiguration)
    return failed('configuration_invalid', 'Its configuration is not valid.')
  return failed(
    'crashed',
    exit.signal ? `It was killed by ${exit.signal}.` : `It ended with exit code ${exit.code}.`,
  )
}

/**
 * How many processes the kernel has killed for want of memory since boot (proc_vmstat(5)); 0 where it does not say.
 * Compared at the start and at the end of a process it tells an out-of-memory kill from any other SIGKILL.
 */
export async function countMemoryKills(): Promise<number> {
  const text = await readFile('/proc/vmstat', 'utf8').catch(() => '')
  return Number(/^oom_kill (\d+)$/m.exec(text)?.[1] ?? 0)
}

function withTail(what: string, logTail: string): string {
  const lines = logTail.trimEnd().split('\n').slice(-tailLinesMax).join('\n').slice(-tailCharactersMax)
  return lines ? `${what} Last lines of its log:\n${lines}` : what
}
