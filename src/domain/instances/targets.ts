import type { Database } from '../../db/database.ts'
import type { Listener } from '../../db/listen.ts'
import { isId } from '../../ids.ts'
import type { Principal } from '../accounts/principal.ts'
import { createHintedCache } from './hinted-cache.ts'
import type { InstanceTarget, InstanceTargets, ModelCaller, ModelCallers } from './target.ts'

type Targets = InstanceTargets & ModelCallers & { close(): void }

/** Answers the proxy's and the model gateway's questions about every request, from a cache of at most a second. */
export function createTargets(deps: { database: Database; listener: Listener }): Targets {
  const { database } = deps
  const targets = createHintedCache<InstanceTarget>((target) => [target.instanceId, target.slotId])
  const visits = createHintedCache<{ instanceId: string }>((visit) => [visit.instanceId])
  const callers = createHintedCache<ModelCaller>((caller) => [caller.slotId, caller.instanceId])

  const drop = (id: string) => {
    for (const cache of [targets, visits, callers]) cache.drop(id)
  }
  const dropAll = () => {
    for (const cache of [targets, visits, callers]) cache.clear()
  }
  const unsubscribe = (['instance_changed', 'slot_changed'] as const).map((channel) =>
    deps.listener.subscribe(channel, { onHint: drop, onReconnect: dropAll }),
  )

  /** Row-level security hides what is not the tenant's; the caller's own id hides what is a colleague's. */
  const findOwn = (principal: Principal, sessionId: string | null): Promise<InstanceTarget | undefined> =>
    database.inTenant(principal.organizationId, async (trx) => {
      const query = selectTarget(trx).where('instances.owner_user_id', '=', principal.userId)
      const row = await (sessionId === null
        ? query
        : query
            .innerJoin('sessions', 'sessions.instance_id', 'instances.id')
            .where('sessions.id', '=', sessionId)
            .where('sessions.user_id', '=', principal.userId)
      ).executeTakeFirst()
      return row && toTarget(row)
    })

  return {
    findByCaller: (principal) =>
      targets.get(`caller ${principal.organizationId} ${principal.userId}`, () => findOwn(principal, null)),
    findBySession: async (principal, sessionId) =>
      isId(sessionId)
        ? targets.get(`session ${principal.organizationId} ${principal.userId} ${sessionId}`, () =>
            findOwn(principal, sessionId),
          )
        : undefined,
    findBySlug: (slug) =>
      targets.get(`slug ${slug}`, () =>
        database.asSystem(async (trx) => {
          const row = await selectTarget(trx).where('instances.slug', '=', slug).executeTakeFirst()
          return row && toTarget(row)
        }),
      ),
    mayVisit: async (userId, instanceId) => {
      if (!isId(userId) || !isId(instanceId)) return false
      const visit = await visits.get(`${userId} ${instanceId}`, () =>
        database.asSystem((trx) =>
          trx
            .selectFrom('instances')
            // Whoever has left the organization has left its instances.
            .innerJoin('members', (join) =>
              join
                .onRef('members.organization_id', '=', 'instances.organization_id')
                .onRef('members.user_id', '=', 'instances.owner_user_id'),
            )
            .select('instances.id as instanceId')
            .where('instances.id', '=', instanceId)
            .where('instances.owner_user_id', '=', userId)
            .where('instances.desired_state', '<>', 'deleted')
            .executeTakeFirst(),
        ),
      )
      return visit !== undefined
    },
    findBySlot: async (slotId) =>
      isId(slotId) ? callers.get(slotId, () => findCaller(database, slotId)) : undefined,
    close: () => {
      for (const end of unsubscribe) end()
    },
  }
}

function selectTarget(trx: Parameters<Parameters<Database['inTenant']>[1]>[0]) {
  return trx
    .selectFrom('instances')
    .leftJoin('slots', 'slots.instance_id', 'instances.id')
    .select([
      'instances.id',
      'instances.organization_id',
      'instances.owner_user_id',
      'instances.slug',
      'instances.status',
      'instances.desired_state',
      'instances.rung',
      'instances.credit_hold',
      'instances.reason_message',
      'slots.id as slot_id',
      'slots.address',
      'slots.phase',
      'slots.ready',
    ])
    .where('instances.desired_state', '<>', 'deleted')
}

type TargetRow = Awaited<ReturnType<ReturnType<typeof selectTarget>['executeTakeFirstOrThrow']>>

function toTarget(row: TargetRow): InstanceTarget {
  return {
    instanceId: row.id,
    organizationId: row.organization_id,
    ownerUserId: row.owner_user_id,
    slug: row.slug,
    status: row.status,
    wanted: row.desired_state === 'running',
    asleep: row.desired_state === 'running' && row.rung !== 'active',
    hold: row.desired_state === 'running' ? row.credit_hold : null,
    reason: row.reason_message,
    slotId: row.slot_id,
    address: row.address,
    ready: row.phase === 'running' && row.ready === true,
  }
}

function findCaller(database: Database, slotId: string): Promise<ModelCaller | undefined> {
  return database.asSystem(async (trx) => {
    const row = await trx
      .selectFrom('slots')
      .leftJoin('instances', 'instances.id', 'slots.instance_id')
      .leftJoin('sessions', (join) =>
        join.onRef('sessions.instance_id', '=', 'instances.id').on('sessions.closed_at', 'is', null),
      )
      .select([
        'slots.state',
        'instances.organization_id as organizationId',
        'instances.owner_user_id as userId',
        'instances.id as instanceId',
        'sessions.id as sessionId',
      ])
      .where('slots.id', '=', slotId)
      .executeTakeFirst()
    if (row === undefined || row.state === 'terminating' || row.state === 'removed') return undefined
    const { state, ...tenant } = row
    return { slotId, slotState: state, ...tenant }
  })
}
