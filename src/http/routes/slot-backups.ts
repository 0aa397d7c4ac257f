import { z } from 'zod'
import { backupFactsSchema } from '../../../supervisor/backup/manifest.ts'
import type { BackupIntake } from '../../domain/backups/intake.ts'
import type { RestoreOrders } from '../../domain/backups/restore-orders.ts'
import { unauthenticated } from '../../errors.ts'
import type { RootSecret } from '../../secrets.ts'
import { deliveryKeys } from '../../slot-key.ts'
import type { Server } from '../server.ts'
import { limitUnreadBodies } from '../unread-bodies.ts'

export interface SlotBackupRouteDeps {
  secret: RootSecret
  intake: BackupIntake
  restores: RestoreOrders
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Set on every route below `/slot` before its body is read. */
    slotId: string
  }
}

/** Twice what supervisors send at once. */
const partBytesMax = 8 * 1024 * 1024

const backupParams = z.strictObject({ backupId: z.string() })
const restoreParams = z.strictObject({ restoreId: z.string() })
const restoredParams = z.strictObject({ restoreId: z.string(), backupId: z.string() })
const outcomeSchema = z.object({ outcome: z.enum(['succeeded', 'failed']), message: z.string().max(2_000) })

/** For slots only, with their own keys: what they save and what they take back. No part of the API that people use. */
export async function registerSlotBackupRoutes(app: Server, deps: SlotBackupRouteDeps): Promise<void> {
  const { intake, restores } = deps
  await app.register(async (scope: Server) => {
    scope.addContentTypeParser(
      'application/octet-stream',
      { parseAs: 'buffer', bodyLimit: partBytesMax },
      (_request, body, done) => done(null, body),
    )
    scope.decorateRequest('slotId', '')
    scope.addHook('onRequest', async (request) => {
      const key = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1]
      const slotId = deliveryKeys.verify(deps.secret, key ?? '')
      if (slotId === undefined)
        throw unauthenticated('invalid_slot_key', 'Only a slot of this Reef may call here, with its own key.')
      request.slotId = slotId
    })
    limitUnreadBodies(scope, (request) => request.slotId)
    const hidden = { hide: true }

    scope.post(
      '/slot/checkpoints',
      { schema: { ...hidden, body: z.object({ base: z.string().nullable() }) } },
      async ({ slotId, body }) => ({ order: await intake.offerCheckpoint(slotId, body.base) }),
    )
    scope.put(
      '/slot/backups/:backupId/content',
      {
        bodyLimit: partBytesMax,
        schema: {
          ...hidden,
          params: backupParams,
          querystring: z.strictObject({ offset: z.coerce.number().int().min(0) }),
        },
      },
      async ({ slotId, params, query, body }) =>
        // The parser above gives nothing else.
        intake.append(slotId, params.backupId, query.offset, body as Buffer),
    )
    scope.post(
      '/slot/backups/:backupId/complete',
      { schema: { ...hidden, params: backupParams, body: backupFactsSchema } },
      async ({ slotId, params, body }) => {
        await intake.complete(slotId, params.backupId, body)
        return {}
      },
    )
    scope.get(
      '/slot/restores/:restoreId',
      { schema: { ...hidden, params: restoreParams } },
      async ({ slotId, params }, reply) => {
        reply.header('cache-control', 'no-store')
        return restores.find(slotId, params.restoreId)
      },
    )
    scope.get(
      '/slot/restores/:restoreId/backups/:backupId',
      { schema: { ...hidden, params: restoredParams } },
      async ({ slotId, params }, reply) => {
        const content = await restores.read(slotId, params.restoreId, params.backupId)
        return reply.type('application/octet-stream').send(content)
      },
    )
    scope.post(
      '/slot/restores/:restoreId',
      { schema: { ...hidden, params: restoreParams, body: outcomeSchema } },
      async ({ slotId, params, body }) => {
        await restores.report(slotId, params.restoreId, body)
        return {}
      },
    )
  })
}
