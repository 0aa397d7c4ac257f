import { ComputeError } from '../../domain/instances/compute.ts'

/** What dockerode throws: an answer of the engine has a status, a failed connection a code. */
interface EngineError extends Error {
  statusCode?: number
  code?: string
  json?: { message?: string }
}

/** The engine's own word for what is wrong. */
export function engineMessage(error: unknown): string {
  const { json, message } = error as EngineError
  return json?.message ?? message ?? String(error)
}

export function isStatus(error: unknown, ...statuses: number[]): boolean {
  const { statusCode } = error as EngineError
  return statusCode !== undefined && statuses.includes(statusCode)
}

const fullDisk = /no space left on device|disk quota exceeded/i
const noRoom =
  /cannot allocate memory|out of memory|non-overlapping IPv4 address pool|resource temporarily unavailable/i

/** One failure of an engine in the closed vocabulary of the port, with words that say which host and what to do. */
export function toComputeError(error: unknown, host: { name: string; url: string }): ComputeError {
  if (error instanceof ComputeError) return error
  const { statusCode, code } = error as EngineError
  const message = engineMessage(error)
  const where = `Docker host ${host.name}`
  if (fullDisk.test(message))
    return new ComputeError('no_capacity', `The disk of the ${where} is full. Free some space there.`, error)
  if (noRoom.test(message))
    return new ComputeError('no_capacity', `There is no room on the ${where}: ${message}`, error)
  if (statusCode === undefined) {
    const said = code === 'EACCES' ? 'may not be used by this user' : `does not answer at ${host.url}`
    return new ComputeError('unavailable', `The ${where} ${said} (${code ?? message}).`, error)
  }
  if (statusCode === 429) return new ComputeError('throttled', `The ${where} asks for a slower pace.`, error)
  // A conflict is another call under way on the same thing.
  if (statusCode >= 500 || statusCode === 409 || statusCode === 408)
    return new ComputeError('unavailable', `The ${where} could not do it: ${message}`, error)
  return new ComputeError('rejected', `The ${where} refuses it: ${message}`, error)
}
