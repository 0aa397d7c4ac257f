import { z } from 'zod'
import { idSchema, timeSchema } from './common.ts'

const priceSchema = z.number().int().min(0)

export const modelPriceSchema = z
  .strictObject({
    input: priceSchema.describe('What was read and was not in the provider’s cache.'),
    cachedInput: priceSchema.describe('What came from the provider’s cache.'),
    cacheWriteInput: priceSchema.describe('What was written to the provider’s cache.'),
    output: priceSchema,
    reasoning: priceSchema.describe('The part of the output that was reasoning.'),
  })
  .describe('Micro-credits per million tokens.')

const runtimePriceSchema = z
  .strictObject({ running: priceSchema, suspended: priceSchema, stored: priceSchema })
  .describe('Micro-credits per hour in each state.')

export const priceListSchema = z
  .strictObject({
    models: z
      .record(z.string().max(200), modelPriceSchema)
      .describe('By PROVIDER/MODEL. A model that is not here cannot be called.'),
    plans: z.record(z.string().max(100), runtimePriceSchema).describe('By plan.'),
    storagePerGibibyteMonth: priceSchema.describe('Micro-credits per GiB and 30 days of saved state.'),
    egressPerGibibyte: priceSchema.nullable().describe('Micro-credits per GiB; null where it is free.'),
  })
  .meta({ id: 'PriceList' })

export const currentPricesSchema = z.object({
  version: z.number().int().describe('Every charge says at which version it was made.'),
  prices: priceListSchema,
})

export const priceVersionSchema = currentPricesSchema
  .extend({
    effectiveFrom: timeSchema,
    createdAt: timeSchema,
    createdBy: idSchema.nullable().describe('The operator who published it; null for what came with Reef.'),
  })
  .meta({ id: 'PriceVersion' })

export const priceVersionsSchema = z.object({
  currentVersion: z.number().int(),
  versions: z.array(priceVersionSchema).describe('Newest first, those to come included.'),
  unpricedModels: z
    .array(z.string())
    .describe('Models that instances are offered and that have no price: calls of them are refused.'),
})

export const publishPricesBodySchema = z.strictObject({
  prices: priceListSchema,
  effectiveFrom: timeSchema.optional().describe('From when they apply; at once if it is left out.'),
})
