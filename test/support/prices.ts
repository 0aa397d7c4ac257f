import type { z } from 'zod'
import type { currentPricesSchema } from '../../src/http/schemas/prices.ts'
import type { TestClient } from './client.ts'

/** Gives a model that Reef does not know a small price, as an operator has to. */
export async function priceModel(operator: TestClient, id: string): Promise<void> {
  const { prices } = await operator.call<z.infer<typeof currentPricesSchema>>('GET', '/api/credits/prices')
  const price = { input: 1000, cachedInput: 1000, cacheWriteInput: 1000, output: 1000, reasoning: 1000 }
  await operator.call('POST', '/api/admin/prices', {
    prices: { ...prices, models: { ...prices.models, [id]: price } },
  })
}
