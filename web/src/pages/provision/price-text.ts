import type { PriceList } from '../../api/types.ts'
import { amountText } from '../../ui/credits.ts'

/** What an instance of a plan costs; one that the list does not name runs free of charge. */
export function priceText({ plans }: Pick<PriceList, 'plans'>, plan: string): string {
  const price = plans[plan]
  if (!price || (price.running === 0 && price.suspended === 0)) return 'Running costs nothing.'
  return `Costs ${amountText(price.running)} credits per hour running, ${amountText(price.suspended)} suspended.`
}
