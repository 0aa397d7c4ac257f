import { createHmac } from 'node:crypto'
import type { Selectable } from 'kysely'
import type { AlertsTable } from '../../db/tables/budgets.ts'
import type { RootSecret } from '../../secrets.ts'
import type { Mail } from '../mail/mailer.ts'

export type AlertRow = Selectable<AlertsTable>

/** What a webhook is sent. */
export function webhookBody(alert: AlertRow): string {
  return JSON.stringify({
    id: alert.id,
    type: 'alert',
    kind: alert.kind,
    severity: alert.severity,
    organizationId: alert.organization_id,
    title: alert.title,
    message: alert.message,
    details: alert.details,
    createdAt: alert.created_at.toISOString(),
  })
}

/** `t=SECONDS,v1=HEX`: HMAC-SHA256 over the seconds since 1970, a dot and the raw body. */
export function signatureOf(secret: string, body: string, at: Date): string {
  const seconds = Math.floor(at.getTime() / 1000)
  return `t=${seconds},v1=${createHmac('sha256', secret).update(`${seconds}.${body}`).digest('hex')}`
}

/** The key that signs an organization's webhook: it is not stored, and another id is another key. */
export function webhookSecret(root: RootSecret, organizationId: string, secretId: string): string {
  return `whsec_${root.deriveToken('alert webhook', `${organizationId}:${secretId}`)}`
}

export function alertMail(
  alert: AlertRow,
  { to, organizationName, publicUrl }: { to: string; organizationName: string | null; publicUrl: string },
): Mail {
  const base = publicUrl.replace(/\/$/, '')
  if (alert.organization_id === null)
    return {
      to,
      subject: `[Reef] ${oneLine(alert.title)}`,
      paragraphs: [alert.message, 'You get this mail because you operate this Reef.'],
      link: { label: 'Open Admin', url: `${base}/admin` },
    }
  return {
    to,
    subject: `[Reef] ${oneLine(organizationName === null ? alert.title : `${organizationName}: ${alert.title}`)}`,
    paragraphs: [
      alert.message,
      ...(organizationName === null ? [] : [`Organization: ${organizationName}`]),
      'You get this mail because you own or administer it, or because it is about you.',
    ],
    link: { label: 'Open Credits', url: `${base}/credits` },
  }
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, ' ').slice(0, 200)
}
