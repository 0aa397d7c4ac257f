import { z } from 'zod'
import type { Policy } from '../../gate/protocol.ts'
import type { Database } from '../db/database.ts'
import { loadSlotEgress } from '../domain/egress/slot-egress.ts'

/** The compute driver whose hosts have gates. */
export const gateDriver = 'docker'

/** What a gate needs of the driver's handle. */
const placeSchema = z.object({ gateAddress: z.ipv4(), instanceAddress: z.ipv4() })

/** The whole policy of one host's gate. A slot whose network is not made yet is not in it. */
export async function loadHostPolicy(
  database: Database,
  host: string,
  openPermitted: boolean,
): Promise<Policy> {
  const slots = await database.asSystem((trx) =>
    loadSlotEgress(trx, { driver: gateDriver, host }, openPermitted),
  )
  return {
    slots: slots.flatMap(({ slotId, handle, egress }) => {
      const place = placeSchema.safeParse(handle)
      return place.success ? [{ slotId, ...place.data, egress }] : []
    }),
  }
}
