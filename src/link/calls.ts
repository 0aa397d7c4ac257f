import { type RawData, WebSocket, WebSocketServer } from 'ws'
import { z } from 'zod'
import type { Database } from '../db/database.ts'
import { notFound, ReefError, unavailable } from '../errors.ts'
import { errorBody } from '../http/errors.ts'
import { refuseUpgrade, type Upgrades } from '../http/upgrades.ts'
import { isId, newId } from '../ids.ts'
import { type RootSecret, sameSecret } from '../secrets.ts'
import { findHolderUrl } from './holder.ts'
import { parseJson } from './json.ts'
import type { LinkedSlots } from './linked-slots.ts'

/** Asks supervisors to do something once, whichever control plane holds their links. */
export interface SlotCalls {
  /**
   * Throws `unavailable` (`slot_unreachable`) when nobody holds the link, or it ends before the answer: then it is not
   * known what was done. Throws `upstream` (`slot_call_failed`) with the supervisor's own words when it failed.
   */
  call(slotId: string, method: string, params: unknown, options: { secondsMax: number }): Promise<unknown>
}

export interface LinkCalls extends SlotCalls {
  /** A supervisor's `result`. */
  onResult(slotId: string, result: CallResult): void
  /** The link of a slot has ended: whoever waits for an answer over it waits in vain. */
  onEnd(slotId: string): void
  close(): void
}

export interface LinkCallsDeps {
  linked: LinkedSlots
  upgrades: Upgrades
  database: Database
  secret: RootSecret
  nodeId: string
}

const resultSchema = z.object({
  id: z.string(),
  value: z.unknown().optional(),
  error: z.object({ code: z.string(), message: z.string() }).nullish(),
})
type CallResult = z.infer<typeof resultSchema>
const questionSchema = z.object({
  method: z.string(),
  params: z.unknown(),
  secondsMax: z.number().positive(),
})

const path = '/link/calls'
const messageBytesMax = 1024 * 1024
const handshakeMilliseconds = 5_000
/** What another control plane has on top, so that the one that holds the link gives up first and says why. */
const forwardGraceSeconds = 5

export function createCalls(deps: LinkCallsDeps): LinkCalls {
  const { linked } = deps
  const waiting = new Map<string, { slotId: string; settle: (result: CallResult) => void }>()

  const callHere = (slotId: string, method: string, params: unknown, secondsMax: number) =>
    new Promise<CallResult>((settle) => {
      const slot = linked.get(slotId)
      const id = newId()
      if (!slot) return settle({ id, error: { code: 'unreachable', message: 'no link' } })
      const timer = setTimeout(
        () => end({ id, error: { code: 'timeout', message: 'no answer' } }),
        secondsMax * 1000,
      )
      const end = (result: CallResult): void => {
        clearTimeout(timer)
        waiting.delete(id)
        settle(result)
      }
      waiting.set(id, { slotId, settle: end })
      slot.connection.send({ type: 'call', id, method, params })
    })
  const server = serveOtherNodes(deps, callHere)

  return {
    call: async (slotId, method, params, { secondsMax }) => {
      const url = linked.has(slotId) ? undefined : await findHolderUrl(deps, slotId)
      const result = url
        ? await forward(deps, url, slotId, { method, params, secondsMax })
        : await callHere(slotId, method, params, secondsMax)
      return answerOf(result)
    },
    onResult: (slotId, result) => {
      const waiter = waiting.get(result.id)
      // Only the slot that was asked may answer.
      if (waiter?.slotId === slotId) waiter.settle(result)
    },
    onEnd: (slotId) => {
      for (const [id, waiter] of waiting)
        if (waiter.slotId === slotId && !linked.has(slotId))
          waiter.settle({ id, error: { code: 'unreachable', message: 'the link ended' } })
    },
    close: () => {
      for (const client of server.clients) client.terminate()
      for (const [id, waiter] of waiting)
        waiter.settle({ id, error: { code: 'unreachable', message: 'the control plane stops' } })
    },
  }
}

function answerOf(result: CallResult): unknown {
  if (!result.error) return result.value
  const { code, message } = result.error
  if (code === 'unreachable' || code === 'timeout')
    throw unavailable(
      'slot_unreachable',
      'The instance cannot be reached at the moment. Try again in a few seconds.',
      5,
    )
  throw new ReefError('upstream', { code: 'slot_call_failed', message })
}

function serveOtherNodes(
  deps: LinkCallsDeps,
  callHere: (slotId: string, method: string, params: unknown, secondsMax: number) => Promise<CallResult>,
): WebSocketServer {
  const server = new WebSocketServer({
    noServer: true,
    maxPayload: messageBytesMax,
    perMessageDeflate: false,
  })
  deps.upgrades.handle(path, (request, socket, head) => {
    const slotId = new URL(request.url ?? '', 'http://localhost').searchParams.get('slot') ?? ''
    const token = request.headers.authorization?.replace(/^Bearer /, '') ?? ''
    if (!isId(slotId) || !sameSecret(token, tokenOf(deps.secret, slotId))) {
      refuseUpgrade(socket, 404, JSON.stringify(errorBody(notFound())))
      return
    }
    server.handleUpgrade(request, socket, head, (webSocket) => {
      webSocket.on('error', () => undefined)
      webSocket.once('message', (data) => {
        const question = questionSchema.safeParse(parseJson(String(data)))
        if (!question.success) return webSocket.terminate()
        const { method, params, secondsMax } = question.data
        void callHere(slotId, method, params, secondsMax).then((result) => {
          webSocket.send(JSON.stringify(result))
          webSocket.close()
        })
      })
    })
  })
  return server
}

function forward(
  deps: LinkCallsDeps,
  internalUrl: string,
  slotId: string,
  question: z.infer<typeof questionSchema>,
): Promise<CallResult> {
  const url = new URL(path, internalUrl)
  url.protocol = url.protocol.replace('http', 'ws')
  url.search = new URLSearchParams({ slot: slotId }).toString()
  const socket = new WebSocket(url, {
    headers: { authorization: `Bearer ${tokenOf(deps.secret, slotId)}` },
    handshakeTimeout: handshakeMilliseconds,
    maxPayload: messageBytesMax,
    perMessageDeflate: false,
  })
  return new Promise((settle) => {
    const milliseconds = (question.secondsMax + forwardGraceSeconds) * 1000
    const timer = setTimeout(() => socket.terminate(), milliseconds)
    socket.on('open', () => socket.send(JSON.stringify(question)))
    socket.once('message', (data: RawData) => {
      const parsed = resultSchema.safeParse(parseJson(String(data)))
      if (parsed.success) settle(parsed.data)
      socket.terminate()
    })
    // `close` follows and is what counts.
    socket.on('error', () => undefined)
    socket.once('close', () => {
      clearTimeout(timer)
      // Without effect when the answer came first.
      settle({ id: '', error: { code: 'unreachable', message: 'the other control plane does not answer' } })
    })
  })
}

function tokenOf(secret: RootSecret, slotId: string): string {
  return secret.deriveToken('slot calls between control planes', slotId)
}
