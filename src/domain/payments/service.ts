import type { Database, Trx } from '../../db/database.ts'
import { conflict, invalid, notFound, ReefError } from '../../errors.ts'
import { isId } from '../../ids.ts'
import { type Principal, requireRole, requireScope } from '../accounts/principal.ts'
import type { Checkouts } from './checkout.ts'
import { type CreditPack, formatMoney, getPack, type Offer } from './packs.ts'
import { type Payment, type PaymentRecord, toPayment } from './payment.ts'
import { findPayment, withRest } from './store.ts'
import { nextLook, type PaymentSync } from './sync.ts'
import type { TopUps } from './top-ups.ts'

export interface SavedCardView {
  brand: string
  last4: string
  expires: string
}

export interface AutoTopUp {
  enabled: boolean
  thresholdMicros: number
  pack: string
  monthlyLimitCents: number
  problem: string | null
}

export interface PaymentsOverview {
  /** Null: nothing can be bought here, and `message` says what to do instead. */
  provider: 'stripe' | null
  testMode: boolean
  message: string | null
  /** Whether the caller may buy for the organization. */
  mayBuy: boolean
  currency: string
  packs: readonly CreditPack[]
  card: SavedCardView | null
  autoTopUp: AutoTopUp | null
  payments: Payment[]
}

export interface PaymentService {
  /** Members see what is sold; owners and admins also what was bought. */
  overview(principal: Principal): Promise<PaymentsOverview>
  /** One payment, freshly asked for while it is under way: whoever comes back from paying may be sooner than any event. */
  get(principal: Principal, paymentId: string): Promise<Payment>
  checkout(
    principal: Principal,
    request: { pack: string; saveCard: boolean },
  ): Promise<{ paymentId: string; url: string }>
  portal(principal: Principal): Promise<{ url: string }>
  setAutoTopUp(principal: Principal, settings: Omit<AutoTopUp, 'problem'>): Promise<AutoTopUp>
}

/** What selling takes; absent without a key of the provider's. */
export interface Selling {
  name: 'stripe'
  testMode: boolean
  checkouts: Checkouts
  sync: PaymentSync
  topUps: TopUps
}

export interface PaymentServiceDeps {
  database: Database
  offer: Offer
  selling: Selling | null
  now(): Date
  onError(error: unknown): void
}

const listedMax = 100
const refreshMilliseconds = 2_000
const notSold =
  'No credits are sold here. You have your trial credits; the operator of this Reef can grant you more: ask them.'

export function createPaymentService(deps: PaymentServiceDeps): PaymentService {
  const { database, offer } = deps
  const selling = (): Selling => {
    if (!deps.selling)
      throw conflict(
        'payments_off',
        'No credits are sold here. Ask the operator of this Reef to grant you some.',
      )
    return deps.selling
  }
  const requireBuyer = (principal: Principal): void => {
    requireScope(principal, 'credits:write')
    requireRole(principal, 'admin')
  }

  return {
    overview: async (principal) => {
      requireScope(principal, 'credits:read')
      const mayBuy = principal.role !== 'member' && principal.scopes.includes('credits:write')
      const shown = {
        provider: deps.selling?.name ?? null,
        testMode: deps.selling?.testMode ?? false,
        message: deps.selling ? null : notSold,
        mayBuy: mayBuy && deps.selling !== null,
        currency: offer.currency,
        packs: deps.selling ? offer.packs : [],
      }
      if (principal.role === 'member') return { ...shown, card: null, autoTopUp: null, payments: [] }
      return database.inTenant(principal.organizationId, async (trx) => ({
        ...shown,
        card: await findCard(trx, principal),
        autoTopUp: await findAutoTopUp(trx, principal),
        payments: await listPayments(trx, principal),
      }))
    },

    get: async (principal, paymentId) => {
      requireScope(principal, 'credits:read')
      requireRole(principal, 'admin')
      const record = await database.inTenant(principal.organizationId, async (trx) =>
        isId(paymentId) ? findPayment(trx, paymentId) : undefined,
      )
      if (!record) throw notFound('no such payment')
      return toPayment(await refreshed(deps, record))
    },

    checkout: async (principal, request) => {
      requireBuyer(principal)
      return selling().checkouts.open(principal, request)
    },

    portal: async (principal) => {
      requireBuyer(principal)
      return { url: await selling().checkouts.openPortal(principal) }
    },

    setAutoTopUp: async (principal, settings) => {
      requireBuyer(principal)
      const { topUps } = selling()
      const pack = getPack(offer, settings.pack)
      if (settings.enabled && settings.monthlyLimitCents < pack.priceCents)
        throw invalid(
          'monthlyLimitCents',
          `One pack costs ${formatMoney(pack.priceCents, offer.currency)}: the monthly limit has to be at least that.`,
        )
      const saved = await database.inTenant(principal.organizationId, (trx) =>
        writeAutoTopUp(trx, principal, settings, deps.now()),
      )
      // It may be low already. Nobody waits for the bank; the next look does the same.
      if (saved.enabled) void topUps.run(principal.organizationId).catch(deps.onError)
      return saved
    },
  }
}

/** An answer that the provider does not give now is no reason to hide what is known. */
async function refreshed(deps: PaymentServiceDeps, record: PaymentRecord): Promise<PaymentRecord> {
  const { payment } = record
  if (!deps.selling || !nextLook(payment, deps.now())) return record
  const claimed = await deps.database.asSystem((trx) => claimRefresh(trx, payment.id, deps.now()))
  if (!claimed) return record
  try {
    return (await deps.selling.sync.sync(payment.id)) ?? record
  } catch (error) {
    if (error instanceof ReefError && error.kind === 'unavailable') return record
    throw error
  }
}

/** At most once in two seconds, however many ask: a page that waits for its payment asks all the time. */
async function claimRefresh(trx: Trx, paymentId: string, now: Date): Promise<boolean> {
  const row = await trx
    .updateTable('payments')
    .set({ refreshed_at: now })
    .where('id', '=', paymentId)
    .where((where) =>
      where.or([
        where('refreshed_at', 'is', null),
        where('refreshed_at', '<', new Date(now.getTime() - refreshMilliseconds)),
      ]),
    )
    .returning('id')
    .executeTakeFirst()
  return row !== undefined
}

async function findCard(trx: Trx, { organizationId }: Principal): Promise<SavedCardView | null> {
  const row = await trx
    .selectFrom('payment_customers')
    .selectAll()
    .where('organization_id', '=', organizationId)
    .executeTakeFirst()
  if (!row?.card_id) return null
  return { brand: row.card_brand ?? 'card', last4: row.card_last4 ?? '', expires: row.card_expires ?? '' }
}

async function findAutoTopUp(trx: Trx, { organizationId }: Principal): Promise<AutoTopUp | null> {
  const row = await trx
    .selectFrom('auto_top_ups')
    .selectAll()
    .where('organization_id', '=', organizationId)
    .executeTakeFirst()
  return row ? toAutoTopUp(row) : null
}

function toAutoTopUp(row: {
  enabled: boolean
  threshold: number
  pack: string
  monthly_limit_cents: number
  problem: string | null
}): AutoTopUp {
  return {
    enabled: row.enabled,
    thresholdMicros: row.threshold,
    pack: row.pack,
    monthlyLimitCents: row.monthly_limit_cents,
    problem: row.problem,
  }
}

async function listPayments(trx: Trx, { organizationId }: Principal): Promise<Payment[]> {
  const rows = await trx
    .selectFrom('payments')
    .selectAll()
    .where('organization_id', '=', organizationId)
    .orderBy('created_at', 'desc')
    .limit(listedMax)
    .execute()
  return (await withRest(trx, rows)).map(toPayment)
}

async function writeAutoTopUp(
  trx: Trx,
  principal: Principal,
  settings: Omit<AutoTopUp, 'problem'>,
  now: Date,
): Promise<AutoTopUp> {
  if (settings.enabled && !(await findCard(trx, principal)))
    throw conflict(
      'card_missing',
      'No card is saved. Buy a pack with “Keep the card for auto top-up”, or add one under “Cards and invoices”; then switch this on.',
    )
  const values = {
    enabled: settings.enabled,
    threshold: settings.thresholdMicros,
    pack: settings.pack,
    monthly_limit_cents: settings.monthlyLimitCents,
    failures: 0,
    problem: null,
    updated_by: principal.userId,
    updated_at: now,
  }
  const row = await trx
    .insertInto('auto_top_ups')
    .values({ ...values, organization_id: principal.organizationId, due_at: now })
    // When it may be tried again stays: switching off and on is no way around a pause.
    .onConflict((known) => known.column('organization_id').doUpdateSet(values))
    .returningAll()
    .executeTakeFirstOrThrow()
  return toAutoTopUp(row)
}
