import type { Selectable } from 'kysely'
import type { Trx } from '../../db/database.ts'
import { notify } from '../../db/notify.ts'
import type { SecretEventKind, SecretsTable } from '../../db/tables/secrets.ts'
import { newId } from '../../ids.ts'
import { type Secret, scopeOf } from './secret.ts'

/** Where a secret belongs. */
export interface Place {
  instanceId: string | null
  sessionId: string | null
}

export type SecretRow = Omit<Selectable<SecretsTable>, 'sealed'>

/** All that a tenant's role may read. */
const columns = [
  'id',
  'organization_id',
  'instance_id',
  'session_id',
  'name',
  'version',
  'key_id',
  'fingerprint',
  'size_bytes',
  'expose_to_tools',
  'created_by',
  'created_at',
  'updated_by',
  'updated_at',
  'delivered_at',
] as const

export function selectAt(trx: Trx, { instanceId, sessionId }: Place) {
  return trx
    .selectFrom('secrets')
    .select(columns)
    .where('instance_id', 'is not distinct from', instanceId)
    .where('session_id', 'is not distinct from', sessionId)
}

/** Those that an instance is given: its organization's, its own and its open session's. */
export function selectFor(trx: Trx, instanceId: string) {
  return trx
    .selectFrom('secrets')
    .select(columns)
    .where((or) => or.or([or('instance_id', 'is', null), or('instance_id', '=', instanceId)]))
}

export async function recordEvent(
  trx: Trx,
  secret: Pick<SecretRow, 'id' | 'organization_id' | 'instance_id' | 'session_id' | 'name' | 'version'>,
  kind: Exclude<SecretEventKind, 'delivered'>,
  userId: string,
): Promise<void> {
  await trx
    .insertInto('secret_events')
    .values({
      id: newId(),
      organization_id: secret.organization_id,
      instance_id: secret.instance_id,
      session_id: secret.session_id,
      secret_id: secret.id,
      name: secret.name,
      scope: scopeOf(secret),
      kind,
      version: secret.version,
      user_id: userId,
      slot_id: null,
      link_connected_at: null,
    })
    .execute()
}

/** Whoever holds the links of the instances that are concerned compares what they should have. */
export async function hintInstances(trx: Trx, instanceId: string | null): Promise<void> {
  const concerned =
    instanceId !== null
      ? [{ id: instanceId }]
      : await trx
          .selectFrom('instances')
          .select('id')
          .where('status', 'not in', ['deleting', 'deleted'])
          .execute()
  for (const { id } of concerned) await notify(trx, 'instance_changed', id)
}

export function toSecret(row: SecretRow, overridden: boolean): Secret {
  return {
    id: row.id,
    name: row.name,
    scope: scopeOf(row),
    instanceId: row.instance_id,
    sessionId: row.session_id,
    version: row.version,
    fingerprint: row.fingerprint,
    sizeBytes: row.size_bytes,
    exposeToTools: row.expose_to_tools,
    overridden,
    createdAt: row.created_at.toISOString(),
    updatedAt: row.updated_at.toISOString(),
    lastUsedAt: row.delivered_at?.toISOString() ?? null,
  }
}
