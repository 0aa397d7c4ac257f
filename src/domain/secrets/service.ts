import { createHmac } from 'node:crypto'
import type { Database, Trx } from '../../db/database.ts'
import { conflict, notFound } from '../../errors.ts'
import { isId, newId } from '../../ids.ts'
import type { RootSecret } from '../../secrets.ts'
import { type Principal, requireScope } from '../accounts/principal.ts'
import { maySee } from '../instances/instance.ts'
import {
  checkName,
  checkValue,
  narrowest,
  type Secret,
  type SecretEvent,
  scopeBytesMax,
  scopeOf,
  sealContext,
  secretsPerScopeMax,
} from './secret.ts'
import type { SecretBox } from './secret-box.ts'
import { hintInstances, type Place, recordEvent, selectAt, selectFor, toSecret } from './store.ts'

/** Whose secrets are meant. A session is named by its instance: it is the one that is open there. */
export type SecretOwner =
  | { scope: 'organization' }
  | { scope: 'instance'; instanceId: string }
  | { scope: 'session'; instanceId: string }

/** What people do with secrets. A value goes in and never comes back. */
export interface SecretService {
  listOfOrganization(principal: Principal): Promise<Secret[]>
  /** All that reach the instance, its organization's among them. */
  listOfInstance(principal: Principal, instanceId: string): Promise<Secret[]>
  /** Makes it, or gives it a new value. Without `exposeToTools` that stays as it was. */
  set(principal: Principal, owner: SecretOwner, name: string, change: SecretChange): Promise<Secret>
  remove(principal: Principal, owner: SecretOwner, name: string): Promise<void>
  /** Newest first. */
  audit(principal: Principal, instanceId: string | null): Promise<SecretEvent[]>
}

export interface SecretChange {
  value: string
  exposeToTools?: boolean | undefined
}

const auditedMax = 500

export function createSecretService(deps: {
  database: Database
  box: SecretBox
  secret: RootSecret
}): SecretService {
  const { database, box } = deps
  const fingerprintKey = deps.secret.deriveKey('secret fingerprint')
  const fingerprint = (organizationId: string, value: string): string =>
    createHmac('sha256', fingerprintKey).update(`${organizationId}\n${value}`).digest('hex').slice(0, 12)

  return {
    listOfOrganization: async (principal) => {
      requireScope(principal, 'organization:read')
      const rows = await database.inTenant(principal.organizationId, (trx) =>
        selectAt(trx, { instanceId: null, sessionId: null }).orderBy('name').execute(),
      )
      return rows.map((row) => toSecret(row, false))
    },

    listOfInstance: async (principal, instanceId) => {
      requireScope(principal, 'instances:read')
      const rows = await database.inTenant(principal.organizationId, async (trx) => {
        await findInstance(trx, principal, instanceId)
        return selectFor(trx, instanceId).orderBy('name').execute()
      })
      const used = new Set(
        narrowest(rows.map((row) => ({ ...row, scope: scopeOf(row) }))).map(({ id }) => id),
      )
      return rows.map((row) => toSecret(row, !used.has(row.id)))
    },

    set: async (principal, owner, name, change) => {
      requireWrite(principal, owner)
      const { organizationId } = principal
      // Sealed before the transaction: a KMS may be far away. Somebody else's new version in between is tried again.
      for (let attempt = 0; attempt < 5; attempt++) {
        const { place, before } = await database.inTenant(organizationId, async (trx) => {
          const found = await findPlace(trx, principal, owner)
          // After it: a stranger learns of a wrong name no more than of a right one.
          checkName(name)
          checkValue(change.value)
          return {
            place: found,
            before: await selectAt(trx, found).where('name', '=', name).executeTakeFirst(),
          }
        })
        const id = before?.id ?? newId()
        const version = (before?.version ?? 0) + 1
        const sealed = await box.seal(Buffer.from(change.value), sealContext({ organizationId, id, version }))
        const written = await database.inTenant(organizationId, (trx) =>
          write(trx, principal, place, {
            id,
            name,
            version,
            sealed,
            fingerprint: fingerprint(organizationId, change.value),
            sizeBytes: Buffer.byteLength(change.value),
            exposeToTools: change.exposeToTools ?? before?.expose_to_tools ?? false,
            wasExposed: before?.expose_to_tools ?? false,
          }),
        )
        if (written) return written
      }
      throw conflict(
        'secret_busy',
        'The secret is being changed by somebody else. Look at it, then try again.',
      )
    },

    remove: async (principal, owner, name) => {
      requireWrite(principal, owner)
      await database.inTenant(principal.organizationId, async (trx) => {
        const place = await findPlace(trx, principal, owner)
        const row = await selectAt(trx, place).where('name', '=', name).forUpdate().executeTakeFirst()
        if (!row) throw notFound('no such secret')
        await recordEvent(trx, row, 'removed', principal.userId)
        await trx.deleteFrom('secrets').where('id', '=', row.id).execute()
        await hintInstances(trx, place.instanceId)
      })
    },

    audit: async (principal, instanceId) => {
      requireScope(principal, instanceId === null ? 'organization:write' : 'instances:read')
      const rows = await database.inTenant(principal.organizationId, async (trx) => {
        if (instanceId !== null) await findInstance(trx, principal, instanceId)
        let query = trx.selectFrom('secret_events').selectAll().orderBy('at', 'desc').orderBy('id', 'desc')
        if (instanceId !== null) query = query.where('instance_id', '=', instanceId)
        return query.limit(auditedMax).execute()
      })
      return rows.map((row) => ({
        id: row.id,
        at: row.at.toISOString(),
        kind: row.kind,
        name: row.name,
        scope: row.scope,
        version: row.version,
        instanceId: row.instance_id,
        sessionId: row.session_id,
        userId: row.user_id,
        slotId: row.slot_id,
      }))
    },
  }
}

function requireWrite(principal: Principal, owner: SecretOwner): void {
  requireScope(principal, owner.scope === 'organization' ? 'organization:write' : 'instances:write')
}

async function findInstance(trx: Trx, principal: Principal, instanceId: string): Promise<{ owned: boolean }> {
  const row = isId(instanceId)
    ? await trx
        .selectFrom('instances')
        .select(['owner_user_id'])
        .where('id', '=', instanceId)
        .where('desired_state', '<>', 'deleted')
        .executeTakeFirst()
    : undefined
  if (!row || !maySee(principal, row)) throw notFound('no such instance')
  return { owned: row.owner_user_id === principal.userId }
}

/** Where a change goes. An instance's secrets are its owner's alone: an administrator sees that there are some. */
async function findPlace(trx: Trx, principal: Principal, owner: SecretOwner): Promise<Place> {
  if (owner.scope === 'organization') return { instanceId: null, sessionId: null }
  const { owned } = await findInstance(trx, principal, owner.instanceId)
  if (!owned) throw notFound('not the owner')
  if (owner.scope === 'instance') return { instanceId: owner.instanceId, sessionId: null }
  const session = await trx
    .selectFrom('sessions')
    .select('id')
    .where('instance_id', '=', owner.instanceId)
    .where('closed_at', 'is', null)
    .executeTakeFirst()
  if (!session)
    throw conflict(
      'no_open_session',
      'There is no open session. Start the instance, or set the secret for the instance.',
    )
  return { instanceId: owner.instanceId, sessionId: session.id }
}

interface NewValue {
  id: string
  name: string
  version: number
  sealed: string
  fingerprint: string
  sizeBytes: number
  exposeToTools: boolean
  wasExposed: boolean
}

/** Undefined when somebody else was faster, so that the version that was sealed for is taken. */
async function write(
  trx: Trx,
  principal: Principal,
  place: Place,
  value: NewValue,
): Promise<Secret | undefined> {
  await checkRoom(trx, place, value)
  const isNew = value.version === 1
  const done = await (isNew ? insert : update)(trx, principal, place, value)
  if (!done) return undefined
  const written = await selectAt(trx, place).where('id', '=', value.id).executeTakeFirstOrThrow()
  await recordEvent(trx, written, isNew ? 'created' : 'rotated', principal.userId)
  if (value.exposeToTools !== value.wasExposed)
    await recordEvent(trx, written, value.exposeToTools ? 'exposed' : 'hidden', principal.userId)
  await hintInstances(trx, place.instanceId)
  return toSecret(written, false)
}

async function insert(trx: Trx, principal: Principal, place: Place, value: NewValue): Promise<boolean> {
  const { numInsertedOrUpdatedRows } = await trx
    .insertInto('secrets')
    .values({
      ...columnsOf(principal, value),
      id: value.id,
      organization_id: principal.organizationId,
      instance_id: place.instanceId,
      session_id: place.sessionId,
      name: value.name,
      created_by: principal.userId,
      delivered_at: null,
    })
    .onConflict((taken) => taken.doNothing())
    .executeTakeFirst()
  return (numInsertedOrUpdatedRows ?? 0n) > 0n
}

async function update(trx: Trx, principal: Principal, _place: Place, value: NewValue): Promise<boolean> {
  const { numUpdatedRows } = await trx
    .updateTable('secrets')
    .set(columnsOf(principal, value))
    .where('id', '=', value.id)
    .where('version', '=', value.version - 1)
    .executeTakeFirst()
  return numUpdatedRows > 0n
}

function columnsOf(principal: Principal, value: NewValue) {
  return {
    sealed: value.sealed,
    version: value.version,
    fingerprint: value.fingerprint,
    size_bytes: value.sizeBytes,
    expose_to_tools: value.exposeToTools,
    updated_by: principal.userId,
    updated_at: new Date(),
  }
}

async function checkRoom(trx: Trx, place: Place, value: NewValue): Promise<void> {
  const others = (await selectAt(trx, place).execute()).filter((row) => row.id !== value.id)
  const bytes = others.reduce((sum, row) => sum + row.size_bytes, value.sizeBytes)
  if (others.length >= secretsPerScopeMax || bytes > scopeBytesMax)
    throw conflict(
      'secrets_full',
      `At most ${secretsPerScopeMax} secrets of together ${scopeBytesMax / 1024} KiB fit here. Remove one that is no longer used.`,
    )
}
