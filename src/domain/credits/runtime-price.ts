import type { PriceList, RuntimePrice } from './prices.ts'

/** A plan without a price runs free of charge. */
const free: RuntimePrice = { running: 0, suspended: 0, stored: 0 }

export function runtimePriceOf(list: PriceList, plan: string): RuntimePrice {
  return list.plans[plan] ?? free
}
