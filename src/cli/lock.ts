import { rm } from 'node:fs/promises'
import { connect, createServer, type Server } from 'node:net'
import { sha256 } from '../secrets.ts'
import { CliError } from './failure.ts'

/** Longer than any refresh takes; whoever waits this long is told so instead of hanging. */
const waitMillisecondsMax = 30_000
const retryMilliseconds = 25

/**
 * Runs `work` while no other process on this machine runs under the same path. The lock is a listening socket: the
 * kernel frees it with the process, so a killed one leaves nothing to clear.
 */
export async function withLock<T>(path: string, work: () => Promise<T>): Promise<T> {
  const server = createServer((socket) => socket.destroy())
  const deadline = Date.now() + waitMillisecondsMax
  const address = lockAddress(path)
  while (!(await tryListen(server, address))) {
    if (Date.now() > deadline)
      throw new CliError('failed', `Another reef command holds ${path}. Wait for it to end, or end it.`)
    await new Promise((done) => setTimeout(done, retryMilliseconds))
  }
  try {
    return await work()
  } finally {
    await new Promise((done) => server.close(done))
  }
}

function lockAddress(path: string): string {
  // Linux's abstract namespace leaves no file behind.
  return process.platform === 'linux'
    ? `\0reef-cli-${sha256(path).toString('hex').slice(0, 32)}`
    : `${path}.lock`
}

async function tryListen(server: Server, address: string): Promise<boolean> {
  const error = await new Promise<NodeJS.ErrnoException | undefined>((done) => {
    const end = (problem?: NodeJS.ErrnoException) => {
      server.off('error', end).off('listening', end)
      done(problem)
    }
    server.on('error', end).on('listening', end).listen(address)
  })
  if (!error) return true
  if (error.code !== 'EADDRINUSE') throw error
  // Only a socket file can outlive its process; then nobody answers on it.
  if (!address.startsWith('\0') && !(await answers(address))) await rm(address, { force: true })
  return false
}

function answers(address: string): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect(address)
    socket.on('connect', () => {
      socket.destroy()
      done(true)
    })
    socket.on('error', () => done(false))
  })
}
