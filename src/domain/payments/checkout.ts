import { sql } from 'kysely'
import type { Clock } from '../../clock.ts'
import type { Database } from '../../db/database.ts'
import { ReefError } from '../../errors.ts'
import { newId } from '../../ids.ts'
import type { Principal } from '../accounts/principal.ts'
import type { Customers } from './customers.ts'
import { type CreditPack, getPack, type Offer } from './packs.ts'
import type { Payments, ReturnUrls } from './payments.ts'

export interface CheckoutRequest {
  pack: string
  saveCard: boolean
}

export interface Checkouts {
  /** Writes the payment, then opens the provider's page for it: what is paid there is known here beforehand. */
  open(principal: Principal, request: CheckoutRequest): Promise<{ paymentId: string; url: string }>
  openPortal(principal: Principal): Promise<string>
}

export interface CheckoutsDeps {
  database: Database
  payments: Payments
  customers: Customers
  offer: Offer
  clock: Clock
  /** Where people come back to, with the payment's id where there is one. */
  returnUrls(paymentId: string): ReturnUrls
  portalReturnUrl: string
}

const openedPerHourMax = 30
/** Nobody was shown a page that is not there by then. */
const firstLookMilliseconds = 120_000

export function createCheckouts(deps: CheckoutsDeps): Checkouts {
  const { database, payments, customers, clock } = deps

  const insert = (principal: Principal, pack: CreditPack, customerId: string): Promise<string> =>
    database.asSystem(async (trx) => {
      const now = clock.now()
      const { count } = await trx
        .selectFrom('payments')
        .select((select) => select.fn.countAll<number>().as('count'))
        .where('organization_id', '=', principal.organizationId)
        .where('kind', '=', 'checkout')
        .where('created_at', '>', new Date(now.getTime() - 3_600_000))
        .executeTakeFirstOrThrow()
      if (count >= openedPerHourMax) throw tooMany()
      const id = newId()
      await trx
        .insertInto('payments')
        .values({
          id,
          organization_id: principal.organizationId,
          kind: 'checkout',
          pack: pack.id,
          credits: pack.creditsMicros,
          amount_cents: pack.priceCents,
          currency: deps.offer.currency,
          customer_id: customerId,
          checkout_id: null,
          intent_id: null,
          card_id: null,
          receipt_url: null,
          failure_code: null,
          failure_message: null,
          problem: null,
          created_by: principal.userId,
          created_at: now,
          paid_at: null,
          look_at: new Date(now.getTime() + firstLookMilliseconds),
        })
        .execute()
      return id
    })

  /** Nobody was shown where to pay it. */
  const giveUp = (paymentId: string) =>
    database.asSystem((trx) =>
      trx
        .updateTable('payments')
        .set({ state: 'expired', look_at: null, version: sql<number>`version + 1` })
        .where('id', '=', paymentId)
        .where('state', '=', 'open')
        .execute(),
    )

  const openFor = async (principal: Principal, request: CheckoutRequest, customerId: string) => {
    const pack = getPack(deps.offer, request.pack)
    const paymentId = await insert(principal, pack, customerId)
    const { checkoutId, url } = await payments
      .openCheckout({
        paymentId,
        organizationId: principal.organizationId,
        customerId,
        name: pack.name,
        amountCents: pack.priceCents,
        currency: deps.offer.currency,
        saveCard: request.saveCard,
        urls: deps.returnUrls(paymentId),
      })
      .catch(async (error) => {
        await giveUp(paymentId)
        throw error
      })
    await database.asSystem((trx) =>
      trx
        .updateTable('payments')
        .set({ checkout_id: checkoutId, version: sql<number>`version + 1` })
        .where('id', '=', paymentId)
        .execute(),
    )
    return { paymentId, url }
  }

  const emailOf = (userId: string): Promise<string> =>
    database.asSystem(async (trx) => {
      const user = await trx
        .selectFrom('users')
        .select('email')
        .where('id', '=', userId)
        .executeTakeFirstOrThrow()
      return user.email
    })

  const withCustomer = async <T>(
    principal: Principal,
    use: (customerId: string) => Promise<T>,
  ): Promise<T> => {
    const email = await emailOf(principal.userId)
    const get = (anew: boolean) => customers.get(principal.organizationId, email, { anew })
    try {
      return await use(await get(false))
    } catch (error) {
      // Removed by hand at the provider: the next one takes its place.
      if (!(error instanceof ReefError && error.code === 'payment_customer_gone')) throw error
      return use(await get(true))
    }
  }

  return {
    open: async (principal, request) => {
      getPack(deps.offer, request.pack)
      return withCustomer(principal, (customerId) => openFor(principal, request, customerId))
    },
    openPortal: (principal) =>
      withCustomer(principal, (customerId) => payments.openPortal(customerId, deps.portalReturnUrl)),
  }
}

function tooMany(): ReefError {
  return new ReefError('rateLimited', {
    code: 'rate_limited',
    message: `At most ${openedPerHourMax} purchases can be begun within an hour. Finish one of them, or try again later.`,
    retryAfterSeconds: 600,
  })
}
