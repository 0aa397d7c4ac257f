import type { Database } from '../../db/database.ts'
import { type Payment, toPayment } from './payment.ts'
import { withRest } from './store.ts'

export interface OperatorPayment extends Payment {
  organizationId: string
  /** Null once the organization is gone; what it paid stays. */
  organizationName: string | null
}

const listedMax = 100

/** For operators, who have to find what they are asked to refund. */
export function listPayments(
  database: Database,
  organizationId: string | undefined,
): Promise<OperatorPayment[]> {
  return database.asSystem(async (trx) => {
    let query = trx.selectFrom('payments').selectAll().orderBy('created_at', 'desc').limit(listedMax)
    if (organizationId) query = query.where('organization_id', '=', organizationId)
    const records = await withRest(trx, await query.execute())
    const ids = [...new Set(records.map(({ payment }) => payment.organization_id))]
    const organizations =
      ids.length === 0
        ? []
        : await trx.selectFrom('organizations').select(['id', 'name']).where('id', 'in', ids).execute()
    const names = new Map(organizations.map(({ id, name }) => [id, name]))
    return records.map((record) => ({
      ...toPayment(record),
      organizationId: record.payment.organization_id,
      organizationName: names.get(record.payment.organization_id) ?? null,
    }))
  })
}
