import type { Clock } from '../../clock.ts'
import type { Database } from '../../db/database.ts'
import type { Payments, SavedCard } from './payments.ts'

/** Who organizations are at the provider. */
export interface Customers {
  /** The organization's customer there, made when there is none; `anew` when it was found to be gone. */
  get(organizationId: string, email: string, options?: { anew: boolean }): Promise<string>
  /** Looks up which card is saved now. */
  refreshCard(customerId: string): Promise<void>
}

export function createCustomers(deps: {
  database: Database
  payments: Pick<Payments, 'createCustomer' | 'readCard'>
  clock: Clock
}): Customers {
  const { database, payments, clock } = deps

  const find = (organizationId: string) =>
    database.asSystem(async (trx) => ({
      organization: await trx
        .selectFrom('organizations')
        .select('name')
        .where('id', '=', organizationId)
        .executeTakeFirstOrThrow(),
      customer: await trx
        .selectFrom('payment_customers')
        .select('customer_id')
        .where('organization_id', '=', organizationId)
        .executeTakeFirst(),
    }))

  return {
    get: async (organizationId, email, options = { anew: false }) => {
      const { organization, customer } = await find(organizationId)
      if (customer && !options.anew) return customer.customer_id
      const customerId = await payments.createCustomer({ id: organizationId, name: organization.name, email })
      // Of two who make one at the same moment the first is kept, and the other customer stays without a payment.
      return database.asSystem(async (trx) => {
        const row = await trx
          .insertInto('payment_customers')
          .values({ organization_id: organizationId, customer_id: customerId, ...noCard })
          .onConflict((known) =>
            known
              .column('organization_id')
              .doUpdateSet({ customer_id: customerId, ...noCard, updated_at: clock.now() })
              .where('payment_customers.customer_id', '=', customer?.customer_id ?? ''),
          )
          .returning('customer_id')
          .executeTakeFirst()
        if (row) return row.customer_id
        const kept = await trx
          .selectFrom('payment_customers')
          .select('customer_id')
          .where('organization_id', '=', organizationId)
          .executeTakeFirstOrThrow()
        return kept.customer_id
      })
    },

    refreshCard: async (customerId) => {
      const known = await database.asSystem((trx) =>
        trx
          .selectFrom('payment_customers')
          .select('organization_id')
          .where('customer_id', '=', customerId)
          .executeTakeFirst(),
      )
      if (!known) return
      const card = await payments.readCard(customerId)
      await database.asSystem((trx) =>
        trx
          .updateTable('payment_customers')
          .set({ ...columnsOf(card), updated_at: clock.now() })
          .where('customer_id', '=', customerId)
          .execute(),
      )
    },
  }
}

const noCard = { card_id: null, card_brand: null, card_last4: null, card_expires: null }

function columnsOf(card: SavedCard | null) {
  if (!card) return noCard
  return {
    card_id: card.cardId,
    card_brand: card.brand,
    card_last4: card.last4,
    card_expires: card.expires,
  }
}
