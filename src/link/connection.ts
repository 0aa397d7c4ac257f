import type { WebSocket } from 'ws'
import {
  type FromSupervisor,
  fromSupervisorSchema,
  protocolVersion,
  type ToSupervisor,
} from '../../supervisor/protocol.ts'
import { parseJson } from './json.ts'

export type Hello = Extract<FromSupervisor, { type: 'hello' }>
/** Whatever an admitted supervisor says. */
export type Report = Exclude<FromSupervisor, { type: 'hello' }>
export type Refusal = Omit<Extract<ToSupervisor, { type: 'refused' }>, 'type'>

/** What a connection asks of the link; each is called for one message at a time, in the order of arrival. */
export interface ConnectionHandler {
  /** Returns the refusal, or undefined when the supervisor is admitted. */
  onHello(hello: Hello): Promise<Refusal | undefined>
  onReport(report: Report): Promise<void>
  /** Once, after the last message was handled. `silent`: the other end stopped answering instead of closing. */
  onEnd(silent: boolean): Promise<void>
  /** A handler above failed; the connection is being closed. */
  onError(error: unknown): void
}

/** One supervisor's WebSocket: order of messages, size of what waits on either side, and whether anyone is there. */
export interface Connection {
  send(message: ToSupervisor): void
  close(code: number, reason: string): void
  /** Sends a ping, or gives the connection up when nothing has come for `silenceMillisecondsMax`. */
  probe(silenceMillisecondsMax: number): void
  /** The other end's machine stands still: its silence means nothing until it goes on. */
  excuse(): void
}

/** Close codes of our own; a supervisor treats each like any other end and dials again. */
export const closeCodes = {
  violated: 1008,
  failed: 1011,
  restarting: 1012,
  replaced: 4001,
  unheard: 4002,
} as const

/** Messages that wait to be handled before the socket is read no further. */
const waitingMax = 32
/** What a supervisor has not yet taken; it is sent a few kilobytes at a time, so this much means that it is stuck. */
const unsentBytesMax = 4 * 1024 * 1024

export function openConnection(
  socket: WebSocket,
  handler: ConnectionHandler,
  helloMilliseconds: number,
): Connection {
  let stage: 'new' | 'admitted' | 'ended' = 'new'
  let heardAt = performance.now()
  let waiting = 0
  let silent = false
  let work = Promise.resolve()
  const close = (code: number, reason: string): void => {
    socket.close(code, reason)
    // A peer that does not take part in the closing handshake is cut off.
    setTimeout(() => socket.terminate(), 1_000).unref()
  }
  const send = (message: ToSupervisor): void => {
    if (socket.readyState !== socket.OPEN) return
    if (socket.bufferedAmount > unsentBytesMax) socket.terminate()
    else socket.send(JSON.stringify(message))
  }
  const helloTimer = setTimeout(() => close(closeCodes.violated, 'no hello in time'), helloMilliseconds)

  const handle = async (text: string): Promise<void> => {
    if (stage === 'ended' || socket.readyState !== socket.OPEN) return
    const json = parseJson(text)
    const refusal = stage === 'new' ? refusalOfVersion(json) : undefined
    if (refusal) return refuse(refusal)
    const parsed = fromSupervisorSchema.safeParse(json)
    if (!parsed.success) return close(closeCodes.violated, 'not a message of the link')
    const message = parsed.data
    if ((message.type === 'hello') !== (stage === 'new'))
      return close(closeCodes.violated, 'hello comes first and once')
    if (message.type !== 'hello') return handler.onReport(message)
    clearTimeout(helloTimer)
    const refused = await handler.onHello(message)
    if (refused) return refuse(refused)
    if (stage === 'new') stage = 'admitted'
  }
  const refuse = (refusal: Refusal): void => {
    clearTimeout(helloTimer)
    send({ type: 'refused', ...refusal })
    close(closeCodes.violated, refusal.code)
  }

  socket.on('message', (data) => {
    heardAt = performance.now()
    waiting += 1
    if (waiting >= waitingMax) socket.pause()
    work = work
      .then(() => handle(String(data)))
      .catch((error) => {
        handler.onError(error)
        close(closeCodes.failed, 'internal error')
      })
      .finally(() => {
        waiting -= 1
        if (waiting < waitingMax / 2 && socket.isPaused) socket.resume()
      })
  })
  socket.on('pong', () => {
    heardAt = performance.now()
  })
  // A frame that is too large or malformed: ws closes by itself, with the fitting code.
  socket.on('error', () => undefined)
  socket.on('close', () => {
    clearTimeout(helloTimer)
    work = work.then(() => {
      stage = 'ended'
      return handler.onEnd(silent)
    })
    work.catch(handler.onError)
  })

  return {
    send,
    close,
    excuse: () => {
      heardAt = performance.now()
    },
    probe: (silenceMillisecondsMax) => {
      if (socket.readyState !== socket.OPEN) return
      // While we do not read, its silence is our doing.
      if (socket.isPaused) heardAt = performance.now()
      if (performance.now() - heardAt > silenceMillisecondsMax) {
        silent = true
        socket.terminate()
      } else socket.ping()
    },
  }
}

/** Looked at before anything else of the message: another version may have changed all the rest. */
function refusalOfVersion(json: unknown): Refusal | undefined {
  if (typeof json !== 'object' || json === null || !('protocolVersion' in json)) return undefined
  const theirs = json.protocolVersion
  if (typeof theirs !== 'number' || theirs === protocolVersion) return undefined
  return {
    code: 'protocol_unsupported',
    message: `This control plane speaks version ${protocolVersion} of the link, the supervisor version ${theirs}.`,
    // A newer supervisor may soon meet a control plane that was upgraded too; an older one only ever gets more outdated.
    retry: theirs > protocolVersion,
  }
}
