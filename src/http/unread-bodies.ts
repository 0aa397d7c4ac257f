import type { FastifyRequest } from 'fastify'
import { ReefError } from '../errors.ts'
import type { Server } from './server.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Set while its body is on its way; ends counting it. */
    bodyArrived: (() => void) | null
  }
}

/** A real OpenClaw sends a handful at once, each for moments. */
const requestsPerSlotMax = 16
/** What one control plane holds of bodies that are not whole yet, each counted as large as it says it will be. */
const bytesMax = 512 * 1024 * 1024
/**
 * A slot may have so much of what is free at the moment. Its share shrinks as others take theirs, so that however many
 * take all they can get, something is left for whoever comes with little.
 */
const shareMax = 1 / 4
const retryAfterSeconds = 1

/**
 * Hooks for routes that keep a body in memory until it is whole: one slot may have few of them on their way at a time,
 * and all slots together only so many bytes. Comes after the hook that tells which slot calls.
 */
export function limitUnreadBodies(scope: Server, slotOf: (request: FastifyRequest) => string): void {
  const bodies = createUnreadBodies()
  scope.decorateRequest('bodyArrived', null)
  scope.addHook('onRequest', async (request, reply) => {
    const bytes = announcedBytes(request)
    if (bytes === 0) return
    const release = bodies.admit(slotOf(request), bytes)
    request.bodyArrived = release
    // Also when it breaks off, or is refused before it was read.
    reply.raw.once('close', release)
  })
  // The first thing that happens once the body is there.
  scope.addHook('preValidation', async (request) => request.bodyArrived?.())
}

/** As large as the route takes when nobody says how large it is, and never larger: of such a one nothing is kept. */
function announcedBytes(request: FastifyRequest): number {
  const { 'content-length': length, 'transfer-encoding': encoding } = request.headers
  if (encoding === undefined && length === undefined) return 0
  const bodyBytesMax = request.routeOptions.bodyLimit
  return encoding === undefined ? Math.min(Number(length), bodyBytesMax) : bodyBytesMax
}

export interface UnreadBodies {
  /** Counts a body until the function that it returns is called, be it several times. */
  admit(slotId: string, bytes: number): () => void
}

export function createUnreadBodies(): UnreadBodies {
  const slots = new Map<string, { requests: number; bytes: number }>()
  let freeBytes = bytesMax
  return {
    admit: (slotId, bytes) => {
      const slot = slots.get(slotId) ?? { requests: 0, bytes: 0 }
      if (slot.requests >= requestsPerSlotMax || slot.bytes + bytes > freeBytes * shareMax)
        throw refusalOf(slot)
      slot.requests += 1
      slot.bytes += bytes
      freeBytes -= bytes
      slots.set(slotId, slot)
      let counted = true
      return () => {
        if (!counted) return
        counted = false
        slot.requests -= 1
        slot.bytes -= bytes
        freeBytes += bytes
        if (slot.requests === 0) slots.delete(slotId)
      }
    },
  }
}

function refusalOf(slot: { requests: number }): ReefError {
  if (slot.requests > 0)
    return new ReefError('rateLimited', {
      code: 'too_many_bodies',
      message:
        'This instance is sending too many requests at once. Send fewer at a time, or smaller ones, and try again.',
      retryAfterSeconds,
    })
  return new ReefError('unavailable', {
    code: 'too_many_bodies',
    message: 'Reef is receiving as much as it can take at the moment. Try again in a few seconds.',
    retryAfterSeconds,
  })
}
