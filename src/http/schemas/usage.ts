import { z } from 'zod'
import { usageDaysMax, usageGroupings } from '../../domain/usage/report.ts'
import { idSchema, timeSchema } from './common.ts'
import { microsSchema } from './credits.ts'

const groupingSchema = z.enum(usageGroupings)
const momentSchema = z
  .union([z.iso.date(), z.iso.datetime()], {
    error: 'is not a time; write 2026-11-21 or 2026-11-21T12:00:00Z',
  })
  .transform((text) => new Date(text))

export const usageQuerySchema = z.strictObject({
  from: momentSchema
    .optional()
    .describe(`A day or a time, UTC; 30 days before the end if left out. At most ${usageDaysMax} days.`),
  to: momentSchema.optional().describe('A day or a time, UTC; not included. The end of today if left out.'),
  by: groupingSchema.default('day').describe('Days are UTC.'),
  by2: groupingSchema.optional().describe('Splits each group further.'),
})

const count = z.number().int()
const seconds = z.number().describe('Seconds.')

export const usageSumsSchema = z
  .object({
    calls: count.describe('Calls of models that have ended.'),
    inputTokens: count.describe('The cached and the written part included.'),
    cachedInputTokens: count,
    cacheWriteInputTokens: count,
    outputTokens: count.describe('Reasoning included.'),
    reasoningTokens: count,
    runningSeconds: seconds,
    suspendedSeconds: seconds,
    storedSeconds: seconds,
    modelCostMicros: microsSchema,
    runtimeCostMicros: microsSchema,
    costMicros: microsSchema.describe('Of models and runtime.'),
  })
  .meta({ id: 'UsageSums' })

const namedSchema = z
  .object({ id: idSchema, name: z.string().nullable().describe('Null for what is no longer there.') })
  .nullable()

export const usageRowSchema = usageSumsSchema
  .extend({
    day: z.iso.date().nullable(),
    model: z.string().nullable().describe('PROVIDER/MODEL; null for what instances cost by running.'),
    instance: namedSchema,
    member: namedSchema,
    agentId: idSchema.nullable().describe('Null also for what no agent of a team has used.'),
  })
  .describe('What it is not grouped by is null.')
  .meta({ id: 'UsageRow' })

export const usageSchema = z
  .object({
    from: timeSchema,
    to: timeSchema,
    by: z.array(groupingSchema),
    rows: z.array(usageRowSchema).describe('By day oldest first, else the dearest first.'),
    total: usageSumsSchema,
  })
  .meta({ id: 'Usage' })
