import { z } from 'zod'
import { idSchema, timeSchema } from './common.ts'
import { microsSchema } from './credits.ts'

const budgetScopeSchema = z.enum(['organization', 'member', 'instance', 'agent'])
const budgetPeriodSchema = z.enum(['day', 'month']).describe('Days and months begin at midnight UTC.')
/** Ten million credits: far above what anybody limits, far below where numbers lose digits. */
const limitMicrosSchema = microsSchema
  .min(1, 'is at least one micro-credit')
  .max(10_000_000_000_000, 'is at most 10,000,000 credits')

export const budgetSchema = z
  .object({
    id: idSchema,
    scope: budgetScopeSchema,
    subjectId: idSchema.nullable().describe('The member, instance or agent; null for the organization.'),
    subjectName: z.string().nullable(),
    period: budgetPeriodSchema,
    limitMicros: microsSchema,
    spentMicros: microsSchema.describe('In the present period.'),
    reservedMicros: microsSchema.describe('Held for what is under way; what is not used comes back.'),
    periodStart: timeSchema,
    periodEnd: timeSchema.describe('When it begins anew.'),
    createdAt: timeSchema,
  })
  .meta({ id: 'Budget' })

export const budgetsSchema = z.object({ budgets: z.array(budgetSchema) })

export const newBudgetBodySchema = z.strictObject({
  scope: budgetScopeSchema,
  subjectId: idSchema
    .nullable()
    .default(null)
    .describe('The id of the member, instance or agent; left out for the organization.'),
  period: budgetPeriodSchema,
  limitMicros: limitMicrosSchema,
})

export const budgetLimitBodySchema = z.strictObject({ limitMicros: limitMicrosSchema })
