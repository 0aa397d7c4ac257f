import type { Trx } from '../../db/database.ts'
import type { AlertDetails, AlertKind, AlertSeverity } from '../../db/tables/budgets.ts'
import { newId } from '../../ids.ts'

/** Something that people should hear of: in the dashboard, by mail, and by the organization's webhook. */
export interface NewAlert {
  /** Null for what concerns the operators of this Reef and no organization. */
  organizationId: string | null
  kind: AlertKind
  severity: AlertSeverity
  title: string
  /** What happened and what to do about it. */
  message: string
  /** For programs; never a secret. */
  details?: AlertDetails
  /** The same thing is told once: until `clearAlert` where it can be over, for good where it cannot. */
  key: string
  /** Whom it concerns beside the owners and administrators. */
  userId?: string | null
}

/**
 * Writes the alert and what is to be sent because of it, in the caller's transaction; the sending happens afterwards.
 * Answers false when it was told before.
 */
export async function raiseAlert(trx: Trx, alert: NewAlert): Promise<boolean> {
  const id = newId()
  const { numInsertedOrUpdatedRows } = await trx
    .insertInto('alerts')
    .values({
      id,
      organization_id: alert.organizationId,
      kind: alert.kind,
      severity: alert.severity,
      title: alert.title,
      message: alert.message,
      details: JSON.stringify(alert.details ?? {}),
      key: alert.key,
      user_id: alert.userId ?? null,
      cleared_at: null,
    })
    .onConflict((told) => told.column('key').doNothing())
    .executeTakeFirst()
  if (!numInsertedOrUpdatedRows) return false
  await orderDeliveries(trx, id, alert)
  return true
}

/** What was told of is over: it is no longer shown, and is told again when it comes back. Answers whether it was told. */
export async function clearAlert(trx: Trx, key: string): Promise<boolean> {
  const { numUpdatedRows } = await trx
    .updateTable('alerts')
    .set({ key: null, cleared_at: new Date() })
    .where('key', '=', key)
    .executeTakeFirst()
  return numUpdatedRows > 0
}

async function orderDeliveries(trx: Trx, alertId: string, alert: NewAlert): Promise<void> {
  const { organizationId } = alert
  const addresses = await (organizationId === null
    ? selectOperators(trx)
    : selectRecipients(trx, organizationId, alert.userId ?? null))
  const webhook =
    organizationId !== null &&
    (await trx
      .selectFrom('alert_webhooks')
      .select('url')
      .where('organization_id', '=', organizationId)
      .executeTakeFirst())
  const deliveries = [
    ...[...new Set(addresses)].map((recipient) => ({ channel: 'email' as const, recipient })),
    ...(webhook ? [{ channel: 'webhook' as const, recipient: null }] : []),
  ]
  if (deliveries.length === 0) return
  await trx
    .insertInto('alert_deliveries')
    .values(
      deliveries.map((delivery) => ({
        id: newId(),
        alert_id: alertId,
        organization_id: organizationId,
        ...delivery,
        delivered_at: null,
        failure: null,
      })),
    )
    .execute()
}

/** Addresses that are confirmed: nobody is sent mail because somebody else signed up with their address. */
async function selectRecipients(trx: Trx, organizationId: string, userId: string | null): Promise<string[]> {
  const rows = await trx
    .selectFrom('members')
    .innerJoin('users', 'users.id', 'members.user_id')
    .select('users.email')
    .where('members.organization_id', '=', organizationId)
    .where((where) =>
      where.or([
        where('members.role', 'in', ['owner', 'admin']),
        ...(userId === null ? [] : [where('members.user_id', '=', userId)]),
      ]),
    )
    .where('users.email_verified', '=', true)
    .execute()
  return rows.map(({ email }) => email)
}

async function selectOperators(trx: Trx): Promise<string[]> {
  const rows = await trx
    .selectFrom('operators')
    .innerJoin('users', 'users.id', 'operators.user_id')
    .select('users.email')
    .where('users.email_verified', '=', true)
    .execute()
  return rows.map(({ email }) => email)
}
