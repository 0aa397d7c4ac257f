import type { Observation } from '../../domain/instances/compute.ts'

/** sysexits.h EX_CONFIG, which OpenClaw and the supervisor use for a configuration that can never work. */
const exitCodeConfiguration = 78
const tailCharactersMax = 1_000

/** The part of `docker inspect` that says what became of a container. */
export interface ContainerEnd {
  exitCode: number
  outOfMemory: boolean
  /** What the engine says when it could not start it. */
  error: string
  memoryMebibytes: number
  /** Whether a control plane asked for the stop. */
  stopRequested: boolean
  logTail: string
}

/** What is to be said of a container that no longer runs. */
export function diagnose(end: ContainerEnd): Observation {
  const failed = (
    code: 'crashed' | 'out_of_memory' | 'configuration_invalid' | 'bad_image',
    what: string,
  ): Observation => ({
    phase: 'failed',
    failure: { code, message: withTail(what, end.logTail) },
  })
  if (end.stopRequested) return { phase: 'exited' }
  // 126 and 127: the engine found no such program, or one that it may not start.
  if (end.error !== '')
    return failed('bad_image', `The machine could not be started from its image: ${end.error}`)
  if (end.exitCode === 0) return { phase: 'exited' }
  if (end.outOfMemory)
    return failed(
      'out_of_memory',
      `It used all of the ${gigabytes(end.memoryMebibytes)} of memory that it may use.`,
    )
  if (end.exitCode === exitCodeConfiguration)
    return failed('configuration_invalid', 'Its configuration is not valid.')
  if (end.exitCode === 137) return failed('crashed', 'It was killed (SIGKILL).')
  return failed('crashed', `It ended with exit code ${end.exitCode}.`)
}

function withTail(what: string, logTail: string): string {
  const tail = logTail.trim().slice(-tailCharactersMax)
  return tail ? `${what} Last lines of its log:\n${tail}` : what
}

function gigabytes(mebibytes: number): string {
  return `${(mebibytes / 1024).toFixed(1)} GB`
}
