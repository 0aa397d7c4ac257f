import WebSocket from 'ws'
import { z } from 'zod'

/** One connection to OpenClaw's gateway protocol, as its trusted local backend. */
export interface GatewayClient {
  /** Throws `GatewayCallError` when OpenClaw refuses, and when the connection ends before the answer. */
  call(method: string, params?: object, options?: { timeoutMs?: number }): Promise<unknown>
  /** Until the returned function is called. */
  subscribe(listener: (event: GatewayEvent) => void): () => void
  close(): void
  /** Resolves when the connection has ended, for whatever reason. */
  readonly closed: Promise<void>
}

export interface GatewayEvent {
  event: string
  payload: unknown
}

export class GatewayCallError extends Error {
  override readonly name = 'GatewayCallError'
  readonly code: string
  constructor(code: string, message: string) {
    super(message)
    this.code = code
  }
}

const frameSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('event'), event: z.string(), payload: z.unknown() }),
  z.object({
    type: z.literal('res'),
    id: z.string(),
    ok: z.boolean(),
    payload: z.unknown(),
    error: z.object({ code: z.string(), message: z.string() }).optional(),
  }),
])

const protocolVersion = 4
/** Long enough for a gateway under load, short enough that a page does not hang for ever. */
const callTimeoutMs = 30_000
const connectTimeoutMs = 10_000

/**
 * Connects and signs in. OpenClaw lets `gateway-client` in `backend` mode do without a paired device on a direct
 * loopback connection with the gateway's password (its docs: gateway/protocol/handshake), which is this case exactly.
 */
export async function connectGateway(port: number, password: string): Promise<GatewayClient> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/`, {
    handshakeTimeout: connectTimeoutMs,
    maxPayload: 64 * 1024 * 1024,
    perMessageDeflate: false,
  })
  const pending = new Map<string, { resolve(value: unknown): void; reject(error: Error): void }>()
  const listeners = new Set<(event: GatewayEvent) => void>()
  const signedIn = Promise.withResolvers<void>()
  const closed = Promise.withResolvers<void>()
  let lastId = 0

  const call: GatewayClient['call'] = (method, params = {}, options = {}) => {
    const id = String(++lastId)
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        pending.delete(id)
        reject(new GatewayCallError('TIMEOUT', `OpenClaw did not answer ${method} in time.`))
      }, options.timeoutMs ?? callTimeoutMs)
      const settle = () => clearTimeout(timer)
      pending.set(id, {
        resolve: (value) => {
          settle()
          resolve(value)
        },
        reject: (error) => {
          settle()
          reject(error)
        },
      })
      // A failed write is followed by `close`, which rejects everything that is pending.
      socket.send(JSON.stringify({ type: 'req', id, method, params }), () => undefined)
    })
  }

  const signIn = () =>
    call(
      'connect',
      {
        minProtocol: protocolVersion,
        maxProtocol: protocolVersion,
        client: { id: 'gateway-client', version: '0.1.0', platform: process.platform, mode: 'backend' },
        role: 'operator',
        scopes: ['operator.admin', 'operator.read', 'operator.write', 'operator.approvals'],
        caps: ['tool-events'],
        auth: { password },
      },
      { timeoutMs: connectTimeoutMs },
    ).then(() => signedIn.resolve(), signedIn.reject)

  socket.on('message', (data) => {
    const parsed = frameSchema.safeParse(parseFrame(String(data)))
    if (!parsed.success) return
    const frame = parsed.data
    if (frame.type === 'event') {
      if (frame.event === 'connect.challenge') void signIn()
      else for (const listener of listeners) listener(frame)
      return
    }
    const waiting = pending.get(frame.id)
    pending.delete(frame.id)
    if (frame.ok) waiting?.resolve(frame.payload)
    else
      waiting?.reject(new GatewayCallError(frame.error?.code ?? 'UNKNOWN', frame.error?.message ?? 'refused'))
  })
  socket.on('error', (error) => signedIn.reject(error))
  socket.on('close', (code) => {
    const error = new GatewayCallError('DISCONNECTED', `OpenClaw closed the connection (${code}).`)
    for (const waiting of pending.values()) waiting.reject(error)
    pending.clear()
    signedIn.reject(error)
    closed.resolve()
  })

  try {
    await signedIn.promise
  } catch (error) {
    socket.terminate()
    throw error
  }
  return {
    call: (method, params, options) =>
      socket.readyState === WebSocket.OPEN
        ? call(method, params, options)
        : Promise.reject(new GatewayCallError('DISCONNECTED', 'OpenClaw is not connected.')),
    subscribe: (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    close: () => socket.terminate(),
    closed: closed.promise,
  }
}

function parseFrame(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
