import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { buildConnector } from 'undici'
import { inboundCiphers, inboundKey, inboundReady, inboundToken, preambleWord } from '../../gate/protocol.ts'
import { type GateTarget, readGateHost } from '../gate/address.ts'
import { gateToken } from '../gate/token.ts'
import type { RootSecret } from '../secrets.ts'

/** Opens connections to instances: at their own address, or through the gate of their host (src/gate/address.ts). */
export interface Dialer {
  /** In the form that undici's Agent takes. */
  connector: buildConnector.connector
  /** To scheme, host and port of an origin. Rejects when nobody there took the connection: no byte was read then. */
  dial(origin: string): Promise<Socket>
}

export function createDialer(secret: RootSecret, options: { dialSeconds: number }): Dialer {
  const milliseconds = options.dialSeconds * 1000
  const direct = buildConnector({ timeout: milliseconds, allowH2: false })

  const connector: buildConnector.connector = (target, callback) => {
    const gate = readTarget(target.hostname)
    if (gate === undefined) return direct(target, callback)
    if (gate instanceof Error) return callback(gate, null)
    dialGate(gate, gateToken(secret, gate.hostName), milliseconds).then(
      (socket) => callback(null, socket),
      (error: Error) => callback(error, null),
    )
  }

  return {
    connector,
    dial: (origin) =>
      new Promise((resolve, reject) => {
        const { hostname, host, protocol, port } = new URL(origin)
        const standardPort = protocol === 'https:' ? '443' : '80'
        connector({ hostname, host, protocol, port: port || standardPort }, (error, socket) =>
          socket ? resolve(socket) : reject(error ?? new Error('no connection')),
        )
      }),
  }
}

function readTarget(hostname: string): GateTarget | Error | undefined {
  try {
    return readGateHost(hostname)
  } catch (error) {
    return error as Error
  }
}

/** A connection to one slot's supervisor, once the gate has said that the supervisor took it. */
function dialGate(target: GateTarget, token: string, milliseconds: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const local = isLoopback(target.gateHost)
    const socket = local ? dialPlain(target, token) : dialTls(target, token)
    const timer = setTimeout(() => socket.destroy(new Error('the gate took too long')), milliseconds)
    const fail = (error?: Error): void => {
      clearTimeout(timer)
      socket.destroy()
      reject(error ?? new Error('the gate closed the connection: the instance does not listen'))
    }
    const closed = (): void => fail()
    const read = (): void => {
      const answer = socket.read(inboundReady.length) as Buffer | null
      if (answer === null) return
      clearTimeout(timer)
      socket.off('readable', read)
      for (const event of ['end', 'close'] as const) socket.off(event, closed)
      socket.off('error', fail)
      if (answer.toString() === inboundReady) resolve(socket)
      else fail(new Error('the gate gave a strange answer'))
    }
    socket.on('readable', read)
    for (const event of ['end', 'close'] as const) socket.once(event, closed)
    socket.once('error', fail)
  })
}

/** The token never leaves the machine in the clear. */
function dialPlain(target: GateTarget, token: string): Socket {
  const socket = connect({ host: target.gateHost, port: target.gatePort, noDelay: true })
  socket.write(`${preambleWord} ${target.slotId} ${inboundToken(token, target.slotId)}\n`)
  return socket
}

function dialTls(target: GateTarget, token: string): Socket {
  return connectTls({
    host: target.gateHost,
    port: target.gatePort,
    ciphers: inboundCiphers,
    minVersion: 'TLSv1.2',
    maxVersion: 'TLSv1.2',
    // Only who knows the key completes the handshake; there is no certificate to check.
    checkServerIdentity: () => undefined,
    pskCallback: () => ({ psk: inboundKey(token, target.slotId), identity: target.slotId }),
  }).setNoDelay(true)
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\./.test(host)
}
