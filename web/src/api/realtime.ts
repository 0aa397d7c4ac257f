import type { Instance, LogLine } from './types.ts'

type ServerMessage =
  | { type: 'authenticated' }
  | { type: 'instance'; instance: Instance }
  | { type: 'logs'; instanceId: string; lines: LogLine[] }
  | { type: 'credits_changed' }
  | { type: 'error'; error: { code: string; message: string } }

export interface RealtimeHandlers {
  instance?: (instance: Instance) => void
  /** `fresh` is true for the first lines after each (re)connection: they are the tail, not a continuation. */
  logs?: (lines: LogLine[], fresh: boolean) => void
}

type Topic = keyof RealtimeHandlers & ('instance' | 'logs')

interface Subscription {
  topic: Topic
  instanceId: string
  handlers: RealtimeHandlers
  fresh: boolean
}

export interface RealtimeDeps {
  url: () => string
  accessToken: () => Promise<string | undefined>
  organizationId: () => string | undefined
  /** Called after a connection was lost and came back: whatever was missed must be fetched. */
  onReconnected: () => void
  /** Credits came or went. */
  onCreditsChanged: () => void
}

const retryMsMin = 500
const retryMsMax = 15_000
/** An unused connection is kept this long, so that going from page to page does not reconnect. */
const idleMs = 10_000

/**
 * One WebSocket for everything live, opened while somebody listens. It is a hint only: all it says can also be
 * fetched, and after every reconnect is.
 */
export function createRealtime(deps: RealtimeDeps) {
  const subscriptions = new Set<Subscription>()
  let socket: WebSocket | undefined
  let ready = false
  let failures = 0
  let wasConnected = false
  let timer: ReturnType<typeof setTimeout> | undefined
  let generation = 0

  function subscribe(topic: Topic, instanceId: string, handlers: RealtimeHandlers): () => void {
    const subscription: Subscription = { topic, instanceId, handlers, fresh: true }
    const first = !sharesTopic(subscription)
    subscriptions.add(subscription)
    clearTimeout(timer)
    if (ready && first) send({ type: 'subscribe', topic, instanceId })
    // Somebody else already gets these lines, so only a new connection brings this listener the tail.
    else if (ready && topic === 'logs') reconnectNow()
    else if (!socket) void connect()
    return () => {
      subscriptions.delete(subscription)
      if (ready && !sharesTopic(subscription)) send({ type: 'unsubscribe', topic, instanceId })
      if (subscriptions.size === 0) timer = setTimeout(close, idleMs)
    }
  }

  async function connect(): Promise<void> {
    clearTimeout(timer)
    const mine = ++generation
    const token = await deps.accessToken().catch(() => undefined)
    if (mine !== generation || subscriptions.size === 0) return
    if (!token) return retryLater()
    const opened = new WebSocket(deps.url())
    socket = opened
    opened.onopen = () => {
      const organizationId = deps.organizationId()
      send({ type: 'authenticate', accessToken: token, ...(organizationId ? { organizationId } : {}) })
    }
    opened.onmessage = (event) => receive(JSON.parse(String(event.data)) as ServerMessage)
    opened.onclose = () => {
      if (socket !== opened) return
      socket = undefined
      ready = false
      retryLater()
    }
  }

  function receive(message: ServerMessage): void {
    switch (message.type) {
      case 'authenticated':
        ready = true
        failures = 0
        send({ type: 'watch_credits' })
        for (const { topic, instanceId } of distinctTopics()) send({ type: 'subscribe', topic, instanceId })
        for (const subscription of subscriptions) subscription.fresh = true
        if (wasConnected) deps.onReconnected()
        wasConnected = true
        return
      case 'instance':
        for (const { topic, instanceId, handlers } of subscriptions)
          if (topic === 'instance' && instanceId === message.instance.id)
            handlers.instance?.(message.instance)
        return
      case 'credits_changed':
        deps.onCreditsChanged()
        return
      case 'logs':
        for (const subscription of subscriptions) {
          if (subscription.topic !== 'logs' || subscription.instanceId !== message.instanceId) continue
          subscription.handlers.logs?.(message.lines, subscription.fresh)
          subscription.fresh = false
        }
        return
      case 'error':
        // A refused log-in closes the socket and the next attempt brings a newer token; a refused topic is one that
        // polling reports better, with the same error as everywhere.
        return
    }
  }

  function retryLater(): void {
    if (subscriptions.size === 0) return
    const base = Math.min(retryMsMax, retryMsMin * 2 ** failures++)
    // Jitter keeps all browsers from coming back in the same instant after a restart of Reef.
    timer = setTimeout(() => void connect(), base * (0.5 + Math.random() / 2))
  }

  /** For a changed identity: the next connection authenticates anew. */
  function reconnectNow(): void {
    close()
    if (subscriptions.size > 0) void connect()
  }

  function close(): void {
    clearTimeout(timer)
    generation++
    const closing = socket
    socket = undefined
    ready = false
    wasConnected = false
    closing?.close()
  }

  function send(message: object): void {
    if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message))
  }

  function sharesTopic(other: Subscription): boolean {
    return [...subscriptions].some(
      (one) => one !== other && one.topic === other.topic && one.instanceId === other.instanceId,
    )
  }

  function distinctTopics(): Subscription[] {
    return [...new Map([...subscriptions].map((one) => [`${one.topic} ${one.instanceId}`, one])).values()]
  }

  return { subscribe, reconnectNow, close }
}
