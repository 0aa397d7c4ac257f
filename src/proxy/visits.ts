import { sql } from 'kysely'
import type { Clock } from '../clock.ts'
import type { Database, Trx } from '../db/database.ts'
import { type Principal, requirePerson, requireScope } from '../domain/accounts/principal.ts'
import type { InstanceTargets } from '../domain/instances/target.ts'
import { invalid, notFound } from '../errors.ts'
import { randomToken, sha256 } from '../secrets.ts'
import { hostOrigin, instanceOrigin } from './address.ts'
import type { NewVisit } from './visit-cookie.ts'

/**
 * How a person who is logged in at the dashboard gets to an instance's own address, which is another origin and shares
 * no cookie with it: by a ticket that is good once, for a minute, and that only its hash is kept of.
 */
export interface Visits {
  /**
   * Throws `notFound` for an instance that the caller may not visit, and for callers who are no person. With `domain` the
   * way leads to that verified domain of the instance instead of its own name.
   */
  create(principal: Principal, instanceId: string, domain?: string): Promise<{ url: string }>
  /** Uses a ticket up. Undefined if it is unknown, used, expired or for another name. */
  redeem(ticket: string, slug: string): Promise<NewVisit | undefined>
}

export interface VisitsDeps {
  database: Database
  targets: Pick<InstanceTargets, 'mayVisit'>
  clock: Clock
  domain: string
  /** Where people reach the proxy. */
  proxyPublicUrl: string
}

const ticketSeconds = 60

export function createVisits(deps: VisitsDeps): Visits {
  return {
    create: async (principal, instanceId, domain) => {
      requireScope(principal, 'chat')
      // A key must not turn itself into a browser session that outlives its revocation.
      requirePerson(principal)
      const { familyId } = principal
      if (!(await deps.targets.mayVisit(principal.userId, instanceId))) throw notFound('may not visit')
      const ticket = randomToken()
      const now = deps.clock.now()
      const slug = await deps.database.inTenant(principal.organizationId, async (trx) => {
        const found = await trx
          .selectFrom('instances')
          .innerJoin('members', (join) =>
            join
              .onRef('members.organization_id', '=', 'instances.organization_id')
              .on('members.user_id', '=', principal.userId),
          )
          .select(['instances.slug', 'members.email'])
          .where('instances.id', '=', instanceId)
          .where('instances.status', 'not in', ['deleting', 'deleted'])
          .executeTakeFirst()
        if (!found) throw notFound('no such instance in this organization')
        if (domain !== undefined) await requireVerified(trx, instanceId, domain)
        await trx
          .insertInto('visit_tickets')
          .values({
            ticket_hash: sha256(ticket),
            organization_id: principal.organizationId,
            instance_id: instanceId,
            user_id: principal.userId,
            family_id: familyId,
            email: found.email,
            expires_at: new Date(now.getTime() + ticketSeconds * 1000),
          })
          .execute()
        await trx.deleteFrom('visit_tickets').where('expires_at', '<=', now).execute()
        return found.slug
      })
      const origin =
        domain === undefined
          ? instanceOrigin(deps.proxyPublicUrl, deps.domain, slug)
          : hostOrigin(deps.proxyPublicUrl, domain)
      return { url: `${origin}/__reef/enter?ticket=${ticket}` }
    },

    redeem: async (ticket, slug) => {
      if (!/^[A-Za-z0-9_-]{43}$/.test(ticket)) return undefined
      const now = deps.clock.now()
      // One DELETE: of two browsers that come with the same ticket, one finds no row.
      const row = await deps.database.asSystem(async (trx) => {
        const { rows } = await sql<Omit<NewVisit, 'slug'>>`
          delete from visit_tickets using instances
          where visit_tickets.ticket_hash = ${sha256(ticket)}
            and visit_tickets.expires_at > ${now}
            and instances.id = visit_tickets.instance_id
            and instances.slug = ${slug}
          returning visit_tickets.user_id as "userId", visit_tickets.family_id as "familyId",
            visit_tickets.instance_id as "instanceId", visit_tickets.email`.execute(trx)
        return rows[0]
      })
      return row && { ...row, slug }
    },
  }
}

async function requireVerified(trx: Trx, instanceId: string, hostname: string): Promise<void> {
  const found = await trx
    .selectFrom('domains')
    .select('id')
    .where('instance_id', '=', instanceId)
    .where('hostname', '=', hostname)
    .where('state', '=', 'verified')
    .executeTakeFirst()
  if (!found) throw invalid('domain', 'This is no verified domain of the instance. Verify it first.')
}
