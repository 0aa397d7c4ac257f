import type { WebSocket } from 'ws'
import type { Authenticator, Principal } from '../domain/accounts/principal.ts'
import { invalid, type ReefError } from '../errors.ts'
import { toReefError } from '../http/errors.ts'
import { closeCodes, type FromClient, fromClientSchema, type ToClient } from './messages.ts'
import { createSubscriptions, type SubscriptionDeps } from './subscriptions.ts'

export interface ClientDeps extends Omit<SubscriptionDeps, 'send'> {
  authenticator: Authenticator
  authenticateSecondsMax: number
  /** What a client has not taken yet; one that is further behind is cut off and may come back for the present. */
  unsentBytesMax: number
}

/** One browser or command line on the realtime WebSocket. */
export interface Client {
  watches(instanceId: string): boolean
  /** Something about the instance may have changed. Calls while one is under way make one more. */
  refresh(instanceId: string): void
  refreshAll(): void
  /** Credits of an organization came or went. */
  creditsChanged(organizationId: string): void
  /** Whether its credential still holds; closes if not. */
  recheck(): void
  /** Sends a ping, or gives up a client that did not answer the last one. */
  probe(): void
}

/** Messages that wait to be handled before the socket is read no further. */
const waitingMax = 16

export function openClient(socket: WebSocket, deps: ClientDeps): Client {
  let credential: Credential | undefined
  let principal: Principal | undefined
  let work = Promise.resolve()
  let waiting = 0
  let answered = true
  let watchesCredits = false
  const due = new Set<string>()

  const send = (message: ToClient): void => {
    if (socket.readyState !== socket.OPEN) return
    if (socket.bufferedAmount > deps.unsentBytesMax) socket.terminate()
    else socket.send(JSON.stringify(message))
  }
  const subscriptions = createSubscriptions({ instances: deps.instances, logs: deps.logs, send })
  /** One thing at a time, in order; what happens after the end does not happen. */
  const enqueue = (step: () => Promise<void> | void): Promise<void> => {
    work = work
      .then(() => (socket.readyState === socket.OPEN ? step() : undefined))
      .catch((error) => refuse(toReefError(error)))
    return work
  }
  const refuse = (error: ReefError): void => {
    send({ type: 'error', error: { code: error.code, message: error.message, field: error.field } })
    socket.close(closeCodeOf(error), error.code)
    // Whoever does not take part in the closing handshake is cut off.
    setTimeout(() => socket.terminate(), 1_000).unref()
  }
  const authenticate = async (message: Extract<FromClient, { type: 'authenticate' }>): Promise<void> => {
    const given = {
      authorization: `Bearer ${message.accessToken}`,
      organizationId: message.organizationId,
    }
    const found = await deps.authenticator.authenticate(given)
    if (principal && !isSame(principal, found))
      throw invalid('accessToken', 'is for somebody or somewhere else. Open another connection.')
    clearTimeout(patience)
    principal = found
    credential = given
    send({ type: 'authenticated' })
  }
  const receive = async (message: FromClient): Promise<void> => {
    if (message.type === 'authenticate') return authenticate(message)
    if (!principal) throw invalid('type', 'needs to be authenticate in the first message.')
    if (message.type === 'watch_credits') {
      watchesCredits = true
      return
    }
    if (message.type === 'subscribe') return subscriptions.add(principal, message.topic, message.instanceId)
    subscriptions.remove(message.topic, message.instanceId)
  }
  const refresh = (instanceId: string): void => {
    if (due.has(instanceId)) return
    due.add(instanceId)
    void enqueue(async () => {
      due.delete(instanceId)
      if (principal) await subscriptions.refresh(principal, instanceId)
    })
  }

  const patience = setTimeout(
    () => refuse(invalid('type', 'needs to be authenticate in the first message, right after connecting.')),
    deps.authenticateSecondsMax * 1000,
  )
  socket.on('message', (data) => {
    waiting += 1
    if (waiting >= waitingMax) socket.pause()
    void enqueue(() => receive(parseMessage(String(data)))).finally(() => {
      waiting -= 1
      if (waiting < waitingMax / 2 && socket.isPaused) socket.resume()
    })
  })
  socket.on('pong', () => {
    answered = true
  })
  // A frame that is too large or malformed: ws closes by itself, with the fitting code.
  socket.on('error', () => undefined)
  socket.on('close', () => {
    clearTimeout(patience)
    work = work.then(() => subscriptions.clear())
  })

  return {
    watches: (instanceId) => subscriptions.has(instanceId),
    refresh,
    refreshAll: () => {
      for (const instanceId of subscriptions.instanceIds()) refresh(instanceId)
    },
    creditsChanged: (organizationId) => {
      if (watchesCredits && principal?.organizationId === organizationId) send({ type: 'credits_changed' })
    },
    recheck: () => {
      const held = credential
      if (!held) return
      void enqueue(async () => {
        const found = await deps.authenticator.authenticate(held).catch((error) => toReefError(error))
        if (!('kind' in found && 'code' in found)) principal = found
        // While the database restarts nothing is known against the client.
        else if (found.kind === 'unauthenticated' || found.kind === 'notFound') refuse(found)
      })
    },
    probe: () => {
      if (!answered && !socket.isPaused) socket.terminate()
      answered = false
      if (socket.readyState === socket.OPEN) socket.ping()
    },
  }
}

type Credential = Parameters<Authenticator['authenticate']>[0]

function parseMessage(text: string): FromClient {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    throw invalid('', 'The message is not JSON.')
  }
  const parsed = fromClientSchema.safeParse(json)
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  throw invalid(issue?.path.join('.') ?? '', issue?.message ?? 'The message is not valid.')
}

function isSame(one: Principal, other: Principal): boolean {
  return one.userId === other.userId && one.organizationId === other.organizationId
}

function closeCodeOf(error: ReefError): number {
  switch (error.kind) {
    case 'unauthenticated':
      return closeCodes.unauthenticated
    case 'notFound':
      return closeCodes.notFound
    case 'invalid':
      return closeCodes.violated
    default:
      return closeCodes.tryLater
  }
}
