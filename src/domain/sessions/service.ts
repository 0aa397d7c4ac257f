import type { Database } from '../../db/database.ts'
import { notFound } from '../../errors.ts'
import { isId } from '../../ids.ts'
import type { Principal } from '../accounts/principal.ts'
import type { Instance } from '../instances/instance.ts'
import { openSession, type SessionRow } from './store.ts'

/** A metered span of work on an instance; the shape of `sessionSchema`. */
interface Session {
  id: string
  instanceId: string
  openedAt: string
  closedAt: string | null
  closeReason: string | null
}

export interface SessionService {
  /**
   * Sees to it that the caller's instance runs or is about to, and gives its open session. Until the instance runs, the
   * proxy holds what is sent to the session.
   */
  launch(principal: Principal): Promise<{ session: Session; instance: Instance }>
  /** The caller's own, newest first. */
  list(principal: Principal): Promise<Session[]>
  get(principal: Principal, sessionId: string): Promise<Session>
}

/** As many as the dashboard shows; older ones are found by id. */
const listedMax = 200

export function createSessionService(deps: {
  database: Database
  instances: {
    provision(principal: Principal, options: { name?: string }): Promise<Instance>
    get(principal: Principal, instanceId: string): Promise<Instance>
  }
}): SessionService {
  const { database, instances } = deps
  return {
    launch: async (principal) => {
      const { id } = await instances.provision(principal, {})
      const session = await database.inTenant(principal.organizationId, async (trx) => {
        await openSession(trx, {
          id,
          organization_id: principal.organizationId,
          owner_user_id: principal.userId,
        })
        return trx
          .selectFrom('sessions')
          .selectAll()
          .where('instance_id', '=', id)
          .where('closed_at', 'is', null)
          .executeTakeFirstOrThrow()
      })
      return { session: toSession(session), instance: await instances.get(principal, id) }
    },
    list: (principal) =>
      database.inTenant(principal.organizationId, async (trx) => {
        const rows = await trx
          .selectFrom('sessions')
          .selectAll()
          .where('user_id', '=', principal.userId)
          .orderBy('opened_at', 'desc')
          .limit(listedMax)
          .execute()
        return rows.map(toSession)
      }),
    get: async (principal, sessionId) => {
      if (!isId(sessionId)) throw notFound()
      const row = await database.inTenant(principal.organizationId, (trx) =>
        trx
          .selectFrom('sessions')
          .selectAll()
          .where('id', '=', sessionId)
          .where('user_id', '=', principal.userId)
          .executeTakeFirst(),
      )
      if (row === undefined) throw notFound()
      return toSession(row)
    },
  }
}

function toSession(row: SessionRow): Session {
  return {
    id: row.id,
    instanceId: row.instance_id,
    openedAt: row.opened_at.toISOString(),
    closedAt: row.closed_at?.toISOString() ?? null,
    closeReason: row.close_reason,
  }
}
