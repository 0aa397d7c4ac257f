import { randomBytes } from 'node:crypto'
import type { Clock } from '../../clock.ts'
import type { Database, Trx } from '../../db/database.ts'
import { notify } from '../../db/notify.ts'
import { conflict, notFound, ReefError } from '../../errors.ts'
import { isId, newId } from '../../ids.ts'
import { type Principal, requireScope } from '../accounts/principal.ts'
import { maySee } from '../instances/instance.ts'
import type { DomainChecker } from './checker.ts'
import { type Domain, toDomain } from './domain.ts'
import { normalizeHostname, type ReefNames } from './hostname.ts'

/** What people do with the domains of their instances. */
export interface DomainService {
  list(principal: Principal, instanceId: string): Promise<Domain[]>
  /** Asks for a name; it counts for nothing until it is proven. Adding it again gives the same. */
  add(principal: Principal, instanceId: string, typed: string): Promise<Domain>
  /** Looks the records up now. */
  check(principal: Principal, instanceId: string, domainId: string): Promise<Domain>
  remove(principal: Principal, instanceId: string, domainId: string): Promise<void>
}

export interface DomainServiceDeps {
  database: Database
  checker: DomainChecker
  clock: Clock
  names: ReefNames
  /** The origin at which a name answers here. */
  originOf(hostname: string): string
}

const domainsPerInstanceMax = 20
const checkEverySeconds = 5

export function createDomainService(deps: DomainServiceDeps): DomainService {
  const { database, checker, clock, names } = deps
  const viewOf = (slug: string) => ({ instanceName: `${slug}.${names.domain}`, originOf: deps.originOf })

  const get = (principal: Principal, instanceId: string, domainId: string): Promise<Domain> =>
    database.inTenant(principal.organizationId, async (trx) => {
      const { slug } = await findInstance(trx, principal, instanceId)
      return toDomain(await findDomain(trx, instanceId, domainId), viewOf(slug))
    })

  return {
    list: async (principal, instanceId) => {
      requireScope(principal, 'instances:read')
      return database.inTenant(principal.organizationId, async (trx) => {
        const { slug } = await findInstance(trx, principal, instanceId)
        const rows = await trx
          .selectFrom('domains')
          .selectAll()
          .where('instance_id', '=', instanceId)
          .orderBy('hostname')
          .execute()
        return rows.map((row) => toDomain(row, viewOf(slug)))
      })
    },

    add: async (principal, instanceId, typed) => {
      requireScope(principal, 'instances:write')
      const domainId = await database.inTenant(principal.organizationId, async (trx) => {
        await requireOwner(trx, principal, instanceId)
        const hostname = normalizeHostname(typed, names)
        const known = await trx
          .selectFrom('domains')
          .select(['id', 'hostname'])
          .where('instance_id', '=', instanceId)
          .execute()
        const same = known.find((row) => row.hostname === hostname)
        if (same) return same.id
        if (known.length >= domainsPerInstanceMax)
          throw conflict(
            'domains_full',
            `An instance has at most ${domainsPerInstanceMax} domains. Remove one first.`,
          )
        const id = newId()
        await trx
          .insertInto('domains')
          .values({
            id,
            organization_id: principal.organizationId,
            instance_id: instanceId,
            hostname,
            token: randomBytes(16).toString('hex'),
            proof: null,
            problem: null,
            points_here: null,
            created_by: principal.userId,
            created_at: clock.now(),
            checked_at: null,
            next_check_at: clock.now(),
            verified_at: null,
            unproven_since: null,
          })
          .execute()
        return id
      })
      return get(principal, instanceId, domainId)
    },

    check: async (principal, instanceId, domainId) => {
      requireScope(principal, 'instances:write')
      await database.inTenant(principal.organizationId, async (trx) => {
        await requireOwner(trx, principal, instanceId)
        const { checked_at: checkedAt } = await findDomain(trx, instanceId, domainId)
        if (checkedAt && clock.now().getTime() - checkedAt.getTime() < checkEverySeconds * 1000)
          throw new ReefError('rateLimited', {
            code: 'rate_limited',
            message: `It was looked up a moment ago. Try again in ${checkEverySeconds} seconds.`,
            retryAfterSeconds: checkEverySeconds,
          })
      })
      await checker.check(domainId)
      return get(principal, instanceId, domainId)
    },

    remove: async (principal, instanceId, domainId) => {
      requireScope(principal, 'instances:write')
      await database.inTenant(principal.organizationId, async (trx) => {
        await requireOwner(trx, principal, instanceId)
        await findDomain(trx, instanceId, domainId)
        await trx.deleteFrom('domains').where('id', '=', domainId).execute()
        await notify(trx, 'instance_changed', instanceId)
      })
    },
  }
}

async function findInstance(
  trx: Trx,
  principal: Principal,
  instanceId: string,
): Promise<{ slug: string; owner_user_id: string }> {
  const row = isId(instanceId)
    ? await trx
        .selectFrom('instances')
        .select(['slug', 'owner_user_id'])
        .where('id', '=', instanceId)
        .where('desired_state', '<>', 'deleted')
        .executeTakeFirst()
    : undefined
  if (!row || !maySee(principal, row)) throw notFound('no such instance')
  return row
}

async function requireOwner(trx: Trx, principal: Principal, instanceId: string): Promise<void> {
  const { owner_user_id: ownerUserId } = await findInstance(trx, principal, instanceId)
  if (ownerUserId !== principal.userId) throw notFound('not the owner')
}

async function findDomain(trx: Trx, instanceId: string, domainId: string) {
  const row = isId(domainId)
    ? await trx
        .selectFrom('domains')
        .selectAll()
        .where('id', '=', domainId)
        .where('instance_id', '=', instanceId)
        .executeTakeFirst()
    : undefined
  if (!row) throw notFound('no such domain')
  return row
}
