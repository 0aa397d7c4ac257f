import { sql } from 'kysely'
import type { Database } from '../../db/database.ts'
import type { Listener } from '../../db/listen.ts'
import { createHintedCache } from '../instances/hinted-cache.ts'

/** Which instance a verified domain stands for; asked for every request to a name that is not Reef's own. */
export interface CustomNames {
  /** Its slug, or undefined. Answers may be up to a second old. */
  findSlug(hostname: string): Promise<string | undefined>
  close(): void
}

export function createCustomNames(deps: { database: Database; listener: Listener }): CustomNames {
  const names = createHintedCache<{ slug: string; instanceId: string }>(({ instanceId }) => [instanceId])
  const unsubscribe = deps.listener.subscribe('instance_changed', {
    onHint: (id) => names.drop(id),
    onReconnect: () => names.clear(),
  })
  return {
    findSlug: async (hostname) => {
      const found = await names.get(hostname, () =>
        deps.database.asSystem((trx) =>
          trx
            .selectFrom('domains')
            .innerJoin('instances', 'instances.id', 'domains.instance_id')
            .select(['instances.slug', 'instances.id as instanceId'])
            .where('domains.hostname', '=', hostname)
            .where('domains.state', '=', 'verified')
            .where('instances.desired_state', '<>', 'deleted')
            .executeTakeFirst(),
        ),
      )
      return found?.slug
    },
    close: unsubscribe,
  }
}

/** For queries on `instances`: the verified domains, sorted. */
export const verifiedHostnamesOf = sql<string[]>`array(
  select domains.hostname from domains where domains.instance_id = instances.id and domains.state = 'verified'
  order by domains.hostname)`.as('hostnames')
