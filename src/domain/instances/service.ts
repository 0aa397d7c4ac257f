import { sql } from 'kysely'
import type { Database, Trx } from '../../db/database.ts'
import { notFound } from '../../errors.ts'
import { isId, newId } from '../../ids.ts'
import type { Principal } from '../accounts/principal.ts'
import type { LaunchCheck, LaunchCredits } from '../credits/runtime-launch.ts'
import type { InstanceAction } from './actions.ts'
import type { ComputeDrivers } from './drivers.ts'
import {
  type Instance,
  type InstanceDetails,
  maySee,
  selectDetails,
  toInstance,
  type ViewOptions,
} from './instance.ts'
import type { InstanceRow } from './lifecycle.ts'
import { otherPersonHolds, singleUserConflict, singleUserReason } from './single-user.ts'
import { newSlug } from './slug.ts'
import { requestedStep } from './store.ts'
import {
  cannotSuspend,
  deletedNow,
  deleteWish,
  isStart,
  lockLive,
  requireAction,
  startWish,
  upToDate,
  type Wish,
  writeWish,
} from './wishes.ts'

export interface InstanceServiceDeps {
  database: Database
  drivers: ComputeDrivers
  view: ViewOptions
  singleUser: boolean
  /** What the current driver makes slots of. */
  specVersion: string
  /** Throws when there is no backup to go back to, and the upgrade does not begin. */
  backUpBeforeUpgrade?: ((instanceId: string) => Promise<void>) | undefined
  /** Whether there are credits to start; everything starts without it. */
  launchCredits?: LaunchCredits | undefined
  /** Settles the instance in this process, so that nobody waits for a poll. */
  settle(instanceId: string): Promise<void>
}

/** What people do with instances. Each method answers with the instance as it is right after. */
export interface InstanceService {
  /** The caller's own instance, made if they have none and started if it does not run. Doubled clicks get the same. */
  provision(principal: Principal, options: { name?: string | undefined }): Promise<Instance>
  /** The caller's own live instance in the organization they act in. */
  findOwn(principal: Principal): Promise<Instance | undefined>
  getOwn(principal: Principal): Promise<Instance>
  list(principal: Principal): Promise<Instance[]>
  get(principal: Principal, instanceId: string): Promise<Instance>
  start(principal: Principal, instanceId: string): Promise<Instance>
  /** Lets it sleep now instead of when it has been idle for long enough; whoever needs it wakes it. */
  suspend(principal: Principal, instanceId: string): Promise<Instance>
  /** Sticky: nothing but a person's start undoes it. */
  stop(principal: Principal, instanceId: string): Promise<Instance>
  restart(principal: Principal, instanceId: string): Promise<Instance>
  /**
   * Backs it up, then makes its machine anew of this Reef's current software, on the state that it has. Should it not
   * become healthy, it goes back to what it was by itself. Throws a conflict when it is of that software already.
   */
  upgrade(principal: Principal, instanceId: string): Promise<Instance>
  deprovision(principal: Principal, instanceId: string): Promise<Instance>
  /** The slot behind an instance that the caller may see, if it has one: logs are kept by slot. */
  findSlotId(principal: Principal, instanceId: string): Promise<string | null>
  /** Memory and CPU of the last minutes, oldest first. */
  samples(principal: Principal, instanceId: string, minutes: number): Promise<Sample[]>
}

interface Sample {
  at: string
  memoryBytes: number
  cpuPercent: number
}

export function createInstanceService(deps: InstanceServiceDeps): InstanceService {
  const { database, view } = deps

  const findDetails = (
    principal: Principal,
    which: { instanceId: string } | 'own',
  ): Promise<InstanceDetails | undefined> =>
    database.inTenant(principal.organizationId, async (trx) => {
      const query = selectDetails(trx)
      const row = await (which === 'own'
        ? query
            .where('instances.owner_user_id', '=', principal.userId)
            .where('instances.desired_state', '<>', 'deleted')
        : query.where('instances.id', '=', which.instanceId)
      ).executeTakeFirst()
      return row && maySee(principal, row) ? row : undefined
    })

  const getDetails = async (principal: Principal, instanceId: string): Promise<InstanceDetails> => {
    const row = isId(instanceId) ? await findDetails(principal, { instanceId }) : undefined
    if (row === undefined) throw notFound()
    return row
  }

  const get = async (principal: Principal, instanceId: string): Promise<Instance> =>
    toInstance(await getDetails(principal, instanceId), principal.userId, view)

  /** The one way in which people's wishes are written: locked, checked against the table of actions, hinted, settled. */
  const act = async (
    principal: Principal,
    instanceId: string,
    action: InstanceAction,
    wish: (instance: InstanceRow) => Wish | null,
  ): Promise<Instance> => {
    if (!isId(instanceId)) throw notFound()
    const before = await getDetails(principal, instanceId)
    const check = await deps.launchCredits?.prepare()
    await database.inTenant(principal.organizationId, async (trx) => {
      const instance = await lockLive(trx, instanceId)
      const change = wish(instance)
      if (change === null) return
      requireAction(instance, action)
      if (isStart(change)) await requireCredits(trx, check, instance)
      await writeWish(trx, instance, change)
    })
    await deps.settle(instanceId)
    const after = await findDetails(principal, { instanceId })
    // Without a machine to remove, a deletion is complete at once; whoever asked sees that it was.
    return toInstance(after ?? { ...before, ...deletedNow }, principal.userId, view)
  }

  const insertOrStart = async (principal: Principal, name: string | undefined): Promise<string> => {
    const check = await deps.launchCredits?.prepare()
    return database.inTenant(principal.organizationId, async (trx) => {
      const inserted = await insertInstance(trx, principal, deps.drivers.current.name, name)
      if (inserted) {
        await requireCredits(trx, check, inserted)
        return inserted.id
      }
      const { id } = await trx
        .selectFrom('instances')
        .select('id')
        .where('owner_user_id', '=', principal.userId)
        .where('desired_state', '<>', 'deleted')
        .executeTakeFirstOrThrow()
      const instance = await lockLive(trx, id)
      const change = startWish(instance)
      if (change) {
        await requireCredits(trx, check, instance)
        await writeWish(trx, instance, change)
      }
      return id
    })
  }

  const provision: InstanceService['provision'] = async (principal, options) => {
    if (deps.singleUser) await refuseSecondPerson(database, deps.drivers.current.name, principal)
    const id = await withNewSlugs(() => insertOrStart(principal, options.name))
    await deps.settle(id)
    const instance = await get(principal, id)
    if (deps.singleUser && instance.reason?.code === singleUserReason.code) {
      // Somebody else was a moment faster; leave nothing behind.
      await act(principal, id, 'delete', deleteWish)
      throw singleUserConflict()
    }
    return instance
  }

  return {
    provision,
    findOwn: async (principal) => {
      const row = await findDetails(principal, 'own')
      return row && toInstance(row, principal.userId, view)
    },
    getOwn: async (principal) => {
      const row = await findDetails(principal, 'own')
      if (row === undefined) throw notFound('no live instance')
      return toInstance(row, principal.userId, view)
    },
    list: (principal) =>
      database.inTenant(principal.organizationId, async (trx) => {
        const rows = await selectDetails(trx).orderBy('instances.id').execute()
        return rows
          .filter((row) => maySee(principal, row))
          .map((row) => toInstance(row, principal.userId, view))
      }),
    get,
    start: (principal, id) => act(principal, id, 'start', startWish),
    suspend: (principal, id) =>
      act(principal, id, 'suspend', (instance) => {
        if (!view.canSuspend(instance.driver)) throw cannotSuspend()
        return instance.rung === 'active' ? { desired_state: 'running', rung: 'suspended' } : null
      }),
    stop: (principal, id) =>
      act(principal, id, 'stop', (instance) =>
        instance.desired_state === 'stopped' ? null : { desired_state: 'stopped' },
      ),
    restart: (principal, id) =>
      act(principal, id, 'restart', (instance) => ({
        desired_state: 'running',
        restart_generation: instance.restart_generation + 1,
      })),
    upgrade: async (principal, id) => {
      const { spec_version, driver } = await getDetails(principal, id)
      if (spec_version === null || !view.isOutdated(driver, spec_version)) throw upToDate()
      await deps.backUpBeforeUpgrade?.(id)
      return act(principal, id, 'upgrade', () => ({
        desired_state: 'running',
        upgrade_to: deps.specVersion,
      }))
    },
    deprovision: (principal, id) => act(principal, id, 'delete', deleteWish),
    findSlotId: async (principal, id) => (await getDetails(principal, id)).slot_id,
    samples: async (principal, id, minutes) => {
      await getDetails(principal, id)
      const rows = await database.inTenant(principal.organizationId, (trx) =>
        trx
          .selectFrom('instance_samples')
          .select(['at', 'memory_bytes', 'cpu_percent'])
          .where('instance_id', '=', id)
          .where('at', '>', sql<Date>`now() - make_interval(mins => ${minutes})`)
          .orderBy('at')
          .execute(),
      )
      return rows.map((row) => ({
        at: row.at.toISOString(),
        memoryBytes: row.memory_bytes,
        cpuPercent: row.cpu_percent,
      }))
    },
  }
}

async function insertInstance(
  trx: Trx,
  principal: Principal,
  driver: string,
  name: string | undefined,
): Promise<InstanceRow | undefined> {
  const person = await trx
    .selectFrom('members')
    .select('name')
    .where('user_id', '=', principal.userId)
    .executeTakeFirst()
  return trx
    .insertInto('instances')
    .values({
      id: newId(),
      organization_id: principal.organizationId,
      owner_user_id: principal.userId,
      name: name ?? 'OpenClaw',
      slug: newSlug(name ?? person?.name ?? ''),
      driver,
      desired_state: 'running',
      status: 'provisioning',
      reason_code: null,
      reason_message: null,
      steps: requestedStep,
      running_since: null,
      deleted_at: null,
    })
    .onConflict((conflict) =>
      conflict
        .columns(['organization_id', 'owner_user_id'])
        .where('desired_state', '<>', 'deleted')
        .doNothing(),
    )
    .returningAll()
    .executeTakeFirst()
}

/** What runs already is paid for window by window. */
async function requireCredits(
  trx: Trx,
  check: LaunchCheck | undefined,
  instance: InstanceRow,
): Promise<void> {
  if (instance.status === 'running') return
  await check?.(trx, {
    organizationId: instance.organization_id,
    ownerUserId: instance.owner_user_id,
    plan: instance.plan,
    instanceId: instance.id,
  })
}

/** Two equal slugs among 27^6 are rare but possible; the next ones will differ. */
async function withNewSlugs<T>(work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++)
    try {
      return await work()
    } catch (error) {
      if (attempt === 3 || (error as { code?: string }).code !== '23505') throw error
    }
}

async function refuseSecondPerson(database: Database, driver: string, principal: Principal): Promise<void> {
  const held = await database.asSystem((trx) => otherPersonHolds(trx, driver, principal.userId))
  if (held) throw singleUserConflict()
}
