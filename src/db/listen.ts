import pg from 'pg'

/**
 * A NOTIFY is only ever a hint that something may be worth a look; it carries ids, never data, and may be lost.
 * So whoever subscribes also polls, and is told to look at everything after each (re)connection.
 */
export interface Listener {
  /** Calls `onHint` for each notification on the channel and `onReconnect` whenever some may have been missed. */
  subscribe(channel: Channel, subscriber: Subscriber): () => void
  close(): Promise<void>
}

export type Channel = 'instance_changed' | 'slot_changed' | 'egress_changed' | 'credits_changed'

export interface Subscriber {
  onHint(id: string): void
  onReconnect(): void
}

export interface ListenerOptions {
  url: string
  /** How often the connection must prove that it lives; a half-open TCP connection is noticed after twice this. */
  heartbeatSeconds?: number
  onError?: (error: Error) => void
}

const backoffMillisecondsMax = 5_000

export function openListener(options: ListenerOptions): Listener {
  const heartbeatMilliseconds = (options.heartbeatSeconds ?? 5) * 1000
  const subscribers = new Map<string, Set<Subscriber>>()
  let client: pg.Client | undefined
  let closed = false
  let attempts = 0
  let retry: NodeJS.Timeout | undefined
  let heartbeat: NodeJS.Timeout | undefined

  const connect = async (): Promise<void> => {
    if (closed) return
    const next = new pg.Client({
      connectionString: options.url,
      connectionTimeoutMillis: heartbeatMilliseconds,
      query_timeout: heartbeatMilliseconds,
      keepAlive: true,
    })
    next.on('error', (error) => lost(next, error))
    next.on('end', () => lost(next, new Error('the database closed the listening connection')))
    next.on('notification', (message) => {
      for (const subscriber of subscribers.get(message.channel) ?? [])
        subscriber.onHint(message.payload ?? '')
    })
    client = next
    try {
      await next.connect()
      await next.query(
        'listen instance_changed; listen slot_changed; listen egress_changed; listen credits_changed',
      )
    } catch (error) {
      lost(next, error as Error)
      return
    }
    attempts = 0
    for (const set of subscribers.values()) for (const subscriber of set) subscriber.onReconnect()
    scheduleHeartbeat(next)
  }

  const scheduleHeartbeat = (current: pg.Client): void => {
    heartbeat = setTimeout(() => {
      current.query('select 1').then(
        () => scheduleHeartbeat(current),
        (error) => lost(current, error as Error),
      )
    }, heartbeatMilliseconds)
  }

  const lost = (which: pg.Client, error: Error): void => {
    if (which !== client) return
    client = undefined
    clearTimeout(heartbeat)
    // A dead connection can hang in end(); nobody waits for it.
    which.end().catch(() => undefined)
    if (closed) return
    options.onError?.(error)
    attempts += 1
    retry = setTimeout(connect, Math.min(backoffMillisecondsMax, 100 * 2 ** attempts))
  }

  void connect()

  return {
    subscribe: (channel, subscriber) => {
      const set = subscribers.get(channel) ?? new Set()
      subscribers.set(channel, set.add(subscriber))
      return () => set.delete(subscriber)
    },
    close: async () => {
      closed = true
      clearTimeout(retry)
      clearTimeout(heartbeat)
      const current = client
      client = undefined
      await current?.end().catch(() => undefined)
    },
  }
}
