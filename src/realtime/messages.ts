import { z } from 'zod'
import type { LogLine } from '../../supervisor/protocol.ts'
import type { Instance } from '../domain/instances/instance.ts'
import { idSchema } from '../http/schemas/common.ts'

const topicSchema = z.enum(['instance', 'logs'])
export type Topic = z.infer<typeof topicSchema>

/** What a client says. `authenticate` comes first; sent again with a newer token it keeps the connection going. */
export const fromClientSchema = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('authenticate'),
    accessToken: z.string().max(8192),
    organizationId: z.string().max(100).optional(),
  }),
  z.strictObject({ type: z.literal('subscribe'), topic: topicSchema, instanceId: idSchema }),
  /** Hints at credits that came or went, until the connection ends. */
  z.strictObject({ type: z.literal('watch_credits') }),
  z.strictObject({ type: z.literal('unsubscribe'), topic: topicSchema, instanceId: idSchema }),
])
export type FromClient = z.infer<typeof fromClientSchema>

export type ToClient =
  | { type: 'authenticated' }
  /** At the subscription and on every change. */
  | { type: 'instance'; instance: Instance }
  /** First the tail, even if it is empty; then new lines. */
  | { type: 'logs'; instanceId: string; lines: LogLine[] }
  /** The organization's credits came or went: fetch what depends on them. */
  | { type: 'credits_changed' }
  /** With topic and instance, if it is about a subscription: that one has then ended. */
  | {
      type: 'error'
      error: { code: string; message: string; field?: string | undefined }
      topic?: Topic
      instanceId?: string
    }

/** Close codes of our own: as the HTTP statuses, plus 4000. */
export const closeCodes = { violated: 1008, tryLater: 1013, unauthenticated: 4401, notFound: 4404 } as const
