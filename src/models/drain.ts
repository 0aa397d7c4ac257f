import type { FastifyReply } from 'fastify'
import type { Server } from '../http/server.ts'

/** Ends what is under way in good order when the server closes. */
export interface Drain {
  /** Aborted when the server has waited long enough for answers to end by themselves. */
  readonly stopping: AbortSignal
  /** Takes a settlement that outlives its response: the server does not close before it is written. */
  keep(settlement: Promise<void>): void
  /** Told of every answer before it is given. */
  watch(reply: FastifyReply): void
}

export function createDrain(app: Server, drainSeconds: number): Drain {
  const settling = new Set<Promise<void>>()
  const stopping = new AbortController()
  let closing = false
  app.addHook('preClose', async () => {
    closing = true
    // The server waits for every answer, and one may take half an hour.
    setTimeout(() => stopping.abort(), drainSeconds * 1000).unref()
  })
  app.addHook('onClose', async () => {
    await Promise.all(settling)
  })
  return {
    stopping: stopping.signal,
    keep: (settlement) => {
      settling.add(settlement)
      settlement.finally(() => settling.delete(settlement))
    },
    watch: (reply) => {
      reply.raw.once('finish', () => {
        // Kept alive, the connection would hold up the server for as long as the client likes.
        if (closing) reply.request.raw.socket.destroySoon()
      })
    },
  }
}
