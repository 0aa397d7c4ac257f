import type { Database, Trx } from '../../db/database.ts'
import { isDatabaseUnavailable } from '../../db/unavailable.ts'
import { createLanes } from '../usage/batch.ts'
import { insertPending } from '../usage/call-store.ts'
import type { CallJournal } from '../usage/journal.ts'
import type { AdmittedCall, Meter, ModelCall, RefusedCall } from '../usage/meter.ts'
import { boundsOf, costOfCall, outputTokensFor } from './call-cost.ts'
import { type Holding, holdForCalls, type PricedCall } from './call-reservations.ts'
import type { CallSettlements } from './call-settlements.ts'
import { formatCredits } from './credit.ts'
import type { Shortage } from './holds.ts'
import type { PriceService } from './price-service.ts'
import type { PriceList } from './prices.ts'

export interface CreditMeterOptions {
  database: Database
  prices: Pick<PriceService, 'current'>
  settlements: Pick<CallSettlements, 'settle'>
  journal?: CallJournal | undefined
  /** Where people buy credits, or ask for them. */
  creditsUrl: string
  /**
   * Told, after the fact, that an organization has used up its credits: what is left does not pay for such a call of any
   * model. Must not throw. Who has more than that can still choose another model.
   */
  onExhausted?: (organizationId: string, shortage: Shortage) => void
}

type Waiting = { priced: PricedCall } | { free: ModelCall }

/** Holds what a call can cost before it is made, and takes what it did cost after it. Calls at the same time share both. */
export function createCreditMeter(options: CreditMeterOptions): Meter {
  const { database, prices, settlements, journal } = options
  const hold = createLanes<Waiting, Holding>(
    (waiting) => ownerOf('free' in waiting ? waiting.free : waiting.priced.call),
    (waiting) => database.asSystem((trx) => admit(trx, waiting)),
    isDatabaseUnavailable,
  )

  const beginFree = async (call: ModelCall): Promise<AdmittedCall> => {
    await hold({ free: call })
    return {
      admitted: true,
      outputTokensMax: call.outputTokensMax,
      settle: (end) => settlements.settle({ call, end, priceVersion: null, reserved: null, cost: 0 }),
    }
  }

  const beginPaid = async (call: PricedCall['call']): Promise<AdmittedCall | RefusedCall> => {
    const { version, list } = await prices.current()
    const price = list.models[`${call.provider}/${call.model}`]
    if (!price) return unpriced(call)
    const priced = { call, priceVersion: version, bounds: boundsOf(price, call) }
    const holding = await hold({ priced })
    if ('refused' in holding) {
      const needed = leastOfAll(list, call)
      if (holding.refused === 'credits' && !holding.busy && holding.available < needed)
        options.onExhausted?.(call.organizationId, { available: holding.available, needed })
      return refusal(holding, priced, options.creditsUrl)
    }
    return {
      admitted: true,
      outputTokensMax: outputTokensFor(price, call, holding.held),
      settle: (end) =>
        settlements.settle({
          call,
          end,
          priceVersion: version,
          reserved: holding.held,
          cost: costOfCall(price, end),
        }),
    }
  }

  return {
    begin: async (call) => {
      const { organizationId } = call
      journal?.opened(call.id)
      let admission: AdmittedCall | RefusedCall | undefined
      try {
        if (organizationId === null) admission = await beginFree(call)
        else admission = await beginPaid({ ...call, organizationId })
        return admission
      } finally {
        if (!admission?.admitted) journal?.closed(call.id)
      }
    },
  }
}

async function admit(trx: Trx, waiting: Waiting[]): Promise<Holding[]> {
  const free = waiting.flatMap((one) => ('free' in one ? [one.free] : []))
  await insertPending(
    trx,
    free.map((call) => ({ call, priceVersion: null, reserved: null })),
  )
  const priced = waiting.flatMap((one) => ('priced' in one ? [one.priced] : []))
  const holdings = await holdForCalls(trx, priced)
  // In the order in which they came.
  return waiting.map((one) => ('free' in one ? { held: 0 } : (holdings.shift() as Holding)))
}

/** A conversation of a usual length. That one is longer is no reason to stop whoever else there are credits for. */
const usualInputTokens = 64_000

/** What a short answer to such a call takes at the cheapest model. */
function leastOfAll({ models }: PriceList, { inputTokensMax, outputTokensMax }: ModelCall): number {
  const call = { inputTokensMax: Math.min(inputTokensMax, usualInputTokens), outputTokensMax }
  return Math.min(...Object.values(models).map((price) => boundsOf(price, call).least))
}

/** A slot of the pool belongs to nobody. */
function ownerOf({ organizationId, slotId }: ModelCall): string {
  return organizationId ?? slotId
}

function unpriced({ provider, model }: ModelCall): RefusedCall {
  return {
    admitted: false,
    kind: 'conflict',
    code: 'model_unpriced',
    message:
      `The model ${provider}/${model} has no price, so it cannot be used yet. ` +
      'An operator of this Reef has to add it to the price list (POST /api/admin/prices), or choose another model.',
  }
}

/**
 * OpenClaw keeps away for ten minutes, and longer each time, from a provider whose 402 it takes for a billing error, and says
 * in its own words to look at the provider's billing page. One that speaks of a usage limit it passes on as it is, and
 * tries again with the next message; its words are shown when they speak of minutes, of seconds or of a reset. The
 * supervisor knows them by how they begin (`supervisor/turn.ts`).
 */
function refusal(
  holding: Extract<Holding, { refused: string }>,
  { bounds }: PricedCall,
  creditsUrl: string,
): RefusedCall {
  if (holding.refused === 'budget')
    return {
      admitted: false,
      kind: 'paymentRequired',
      code: 'budget_exhausted',
      message: `Usage limit reached until it resets: ${holding.message}`,
    }
  if (holding.busy)
    return {
      admitted: false,
      kind: 'rateLimited',
      code: 'credits_reserved',
      message: `Other calls hold what is left of your credits. Try again in a few seconds, or buy more at ${creditsUrl}.`,
      retryAfterSeconds: 2,
    }
  const { available } = holding
  return {
    admitted: false,
    kind: 'paymentRequired',
    code: 'credits_exhausted',
    message:
      available === 0
        ? `Usage limit reached: your Reef credits are used up. Get more at ${creditsUrl}, then try again in a minute.`
        : `Usage limit reached: this can cost ${formatCredits(bounds.least)} Reef credits, and ${formatCredits(available)} are left. ` +
          `Get more at ${creditsUrl}, or choose a cheaper model or a new conversation, then try again in a minute.`,
  }
}
