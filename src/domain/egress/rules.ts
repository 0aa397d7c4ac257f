import { sql } from 'kysely'
import type { Trx } from '../../db/database.ts'
import { notify } from '../../db/notify.ts'
import type { EgressMode } from '../../db/tables/egress.ts'
import { conflict } from '../../errors.ts'
import { newId } from '../../ids.ts'
import type { Rule } from './effective.ts'
import type { Place } from './view.ts'

/** More than anybody reads, and few enough for every gate to go through at each request. */
const rulesMax = 200

export async function writeMode(trx: Trx, at: Place, mode: EgressMode | null): Promise<void> {
  await trx
    .deleteFrom('egress_settings')
    .where('organization_id', '=', at.organizationId)
    .where(isOf(at))
    .execute()
  if (mode !== null)
    await trx
      .insertInto('egress_settings')
      .values({ organization_id: at.organizationId, instance_id: at.instanceId, mode })
      .execute()
}

/** Adds rules; one for the same domain is replaced. */
export async function putRules(trx: Trx, userId: string, at: Place, rules: Rule[]): Promise<void> {
  for (const rule of rules)
    await trx
      .insertInto('egress_rules')
      .values({
        id: newId(),
        organization_id: at.organizationId,
        instance_id: at.instanceId,
        domain: rule.domain,
        ports: [...new Set(rule.ports)].sort((a, b) => a - b),
        created_by: userId,
      })
      .onConflict((conflicting) =>
        conflicting
          .columns(['organization_id', 'instance_id', 'domain'])
          .doUpdateSet((expression) => ({ ports: expression.ref('excluded.ports') })),
      )
      .execute()
  const { count } = await trx
    .selectFrom('egress_rules')
    .select((expression) => expression.fn.countAll<number>().as('count'))
    .where('organization_id', '=', at.organizationId)
    .where(isOf(at))
    .executeTakeFirstOrThrow()
  if (count > rulesMax)
    throw conflict(
      'egress_rules_full',
      `A list holds ${rulesMax} domains. Delete some, or put a wildcard such as *.example.com in place of several.`,
    )
}

export async function deleteRule(trx: Trx, at: Place, domain: string): Promise<boolean> {
  const { numDeletedRows } = await trx
    .deleteFrom('egress_rules')
    .where('organization_id', '=', at.organizationId)
    .where(isOf(at))
    .where('domain', '=', domain)
    .executeTakeFirst()
  return numDeletedRows > 0n
}

/** Tells gates, and whoever looks at an instance that the change concerns. */
export async function hint(trx: Trx, at: Place): Promise<void> {
  await notify(trx, 'egress_changed', at.organizationId)
  const concerned = await trx
    .selectFrom('instances')
    .select('id')
    .where('organization_id', '=', at.organizationId)
    .where('status', '<>', 'deleted')
    .$if(at.instanceId !== null, (query) => query.where('id', '=', at.instanceId as string))
    .execute()
  for (const { id } of concerned) await notify(trx, 'instance_changed', id)
}

function isOf(at: Place) {
  return sql<boolean>`instance_id is not distinct from ${at.instanceId}::uuid`
}
