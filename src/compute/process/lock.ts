import { rm } from 'node:fs/promises'
import { connect, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ComputeError } from '../../domain/instances/compute.ts'
import { sha256 } from '../../secrets.ts'

/** Starting and killing take well under a second each; whoever waits this long meets a control plane that hangs. */
const waitMillisecondsMax = 20_000

/**
 * Runs `work` while no other control plane on this machine, and no other call in this one, works on the slot. The lock
 * is a listening socket, which the kernel frees with the process however that ends: there is no stale lock to clear.
 */
export async function withSlotLock<T>(slotDirectory: string, work: () => Promise<T>): Promise<T> {
  const server = await takeLock(lockAddress(slotDirectory))
  try {
    return await work()
  } finally {
    await new Promise((done) => server.close(done))
  }
}

async function takeLock(address: string): Promise<Server> {
  const deadline = Date.now() + waitMillisecondsMax
  for (;;) {
    const server = createServer((socket) => socket.on('error', () => undefined).destroy())
    const error = await listen(server, address)
    if (!error) return server
    if (error.code !== 'EADDRINUSE')
      throw new ComputeError('unavailable', `The slot cannot be locked: ${error.message}`, error)
    // Only a socket file can outlive its process; an abstract address cannot.
    if (!address.startsWith('\0') && !(await answers(address))) await rm(address, { force: true })
    if (Date.now() > deadline)
      throw new ComputeError('unavailable', 'Another control plane works on this slot. Trying again helps.')
    await new Promise((done) => setTimeout(done, 5 + Math.random() * 20))
  }
}

function lockAddress(slotDirectory: string): string {
  const name = `reef-slot-${sha256(slotDirectory).toString('hex').slice(0, 32)}`
  // Linux's abstract namespace: no file, freed with the process.
  return process.platform === 'linux' ? `\0${name}` : join(tmpdir(), name)
}

function listen(server: Server, address: string): Promise<NodeJS.ErrnoException | undefined> {
  return new Promise((done) => {
    server.once('error', done)
    server.listen(address, () => {
      server.off('error', done)
      done(undefined)
    })
  })
}

function answers(address: string): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect(address)
    socket.on('connect', () => socket.destroy())
    socket.on('error', () => done(false))
    socket.on('close', () => done(true))
  })
}
