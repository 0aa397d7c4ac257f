import { sql } from 'kysely'
import type { Database, Trx } from '../../db/database.ts'
import { containing } from '../../db/like.ts'
import type { DisputeState } from '../../db/tables/payments.ts'
import { type DisputeRow, type Payment, type PaymentRecord, toPayment } from './payment.ts'
import { refundable } from './refundable.ts'
import { withRest } from './store.ts'

/** A payment with what an operator has to know to refund it, or to answer for it. */
export interface OperatorPayment extends Payment {
  organizationId: string
  /** Null once the organization is gone; what it paid stays. */
  organizationName: string | null
  /** Its id at the provider. */
  intentId: string | null
  /** Paid and not given back yet. */
  leftCents: number
  /** What of that the organization's unused credits stand for: as much can be refunded without a loss. */
  unusedCents: number
  /** The organization's credits that it can spend now. */
  availableMicros: number
  /** Oldest first. */
  disputes: Dispute[]
}

export interface Dispute {
  id: string
  state: DisputeState
  amountCents: number
  /** What the disputed amount stands for. */
  creditsMicros: number
  frozenMicros: number
  takenMicros: number
  writtenOffMicros: number
  reason: string | null
  /** Until when the provider takes evidence. */
  dueAt: string | null
  createdAt: string
}

export interface OperatorPaymentFilter {
  organizationId?: string | undefined
  /** Part of an organization's name or slug, of a member's e-mail address, or of an id, ours or the provider's. */
  search?: string | undefined
  /** Only those that were ever disputed. */
  disputed?: boolean | undefined
}

export interface OperatorPaymentPlace {
  /** Of an earlier page. */
  cursor?: string | undefined
  limit: number
}

export interface OperatorPaymentPage {
  payments: OperatorPayment[]
  /** Of the next older page; null on the last one. */
  cursor: string | null
}

/** For operators, who have to find what they are asked about: the newest first. */
export function listPayments(
  database: Database,
  filter: OperatorPaymentFilter,
  { cursor, limit }: OperatorPaymentPlace,
): Promise<OperatorPaymentPage> {
  return database.asSystem(async (trx) => {
    const found = await selectPayments(trx, filter, { cursor, limit: limit + 1 })
    const payments = await toOperatorPayments(trx, await withRest(trx, found.slice(0, limit)))
    return { payments, cursor: found.length > limit ? (payments.at(-1)?.id ?? null) : null }
  })
}

async function toOperatorPayments(trx: Trx, records: PaymentRecord[]): Promise<OperatorPayment[]> {
  const ids = [...new Set(records.map(({ payment }) => payment.organization_id))]
  const organizations = await selectOrganizations(trx, ids)
  return records.map((record) => {
    const { payment } = record
    const organization = organizations.get(payment.organization_id)
    return toOperatorPayment(record, organization?.name ?? null, organization?.available ?? 0)
  })
}

function selectPayments(
  trx: Trx,
  { organizationId, search, disputed }: OperatorPaymentFilter,
  { cursor, limit }: OperatorPaymentPlace,
) {
  let query = trx
    .selectFrom('payments')
    .selectAll()
    .orderBy('created_at', 'desc')
    .orderBy('id', 'desc')
    .limit(limit)
  if (cursor)
    query = query.where(
      sql<boolean>`(created_at, id) < (select last.created_at, last.id from payments last where last.id = ${cursor})`,
    )
  if (organizationId) query = query.where('organization_id', '=', organizationId)
  if (search) query = query.where(matches(search))
  if (disputed)
    query = query.where(({ exists, selectFrom }) =>
      exists(
        selectFrom('payment_disputes')
          .select('dispute_id')
          .whereRef('payment_disputes.payment_id', '=', 'payments.id'),
      ),
    )
  return query.execute()
}

function matches(search: string) {
  const pattern = containing(search)
  return sql<boolean>`(payments.id::text ilike ${pattern} or payments.intent_id ilike ${pattern}
    or payments.checkout_id ilike ${pattern} or payments.customer_id ilike ${pattern}
    or exists (select from organizations where organizations.id = payments.organization_id
      and (organizations.name ilike ${pattern} or organizations.slug ilike ${pattern}))
    or exists (select from members where members.organization_id = payments.organization_id
      and members.email ilike ${pattern})
    or exists (select from payment_disputes where payment_disputes.payment_id = payments.id
      and payment_disputes.dispute_id ilike ${pattern}))`
}

/** Those that are still there, or whose credits are. */
async function selectOrganizations(
  trx: Trx,
  ids: string[],
): Promise<Map<string, { name: string | null; available: number }>> {
  if (ids.length === 0) return new Map()
  const names = await trx.selectFrom('organizations').select(['id', 'name']).where('id', 'in', ids).execute()
  const books = await trx
    .selectFrom('ledger_books')
    .select(['organization_id', 'available'])
    .where('organization_id', 'in', ids)
    .execute()
  return new Map(
    ids.map((id) => [
      id,
      {
        name: names.find((one) => one.id === id)?.name ?? null,
        available: books.find((one) => one.organization_id === id)?.available ?? 0,
      },
    ]),
  )
}

function toOperatorPayment(
  record: PaymentRecord,
  organizationName: string | null,
  available: number,
): OperatorPayment {
  const { payment, disputes } = record
  return {
    ...toPayment(record),
    organizationId: payment.organization_id,
    organizationName,
    intentId: payment.intent_id,
    ...refundable(record, available),
    availableMicros: available,
    disputes: disputes.map(toDispute),
  }
}

function toDispute(row: DisputeRow): Dispute {
  return {
    id: row.dispute_id,
    state: row.state,
    amountCents: row.amount_cents,
    creditsMicros: row.credits,
    frozenMicros: row.frozen,
    takenMicros: row.taken,
    writtenOffMicros: row.written_off,
    reason: row.reason,
    dueAt: row.due_at?.toISOString() ?? null,
    createdAt: row.created_at.toISOString(),
  }
}
