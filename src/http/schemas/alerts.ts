import { z } from 'zod'
import { idSchema, textSchema, timeSchema } from './common.ts'

export const alertSchema = z
  .object({
    id: idSchema,
    kind: z.enum([
      'balance_low',
      'credits_exhausted',
      'budget_threshold',
      'top_up_failed',
      'ledger_damaged',
      'dispute_opened',
      'dispute_closed',
      'test',
    ]),
    severity: z.enum(['info', 'warning', 'critical']),
    title: z.string(),
    message: z.string().describe('What happened and what to do about it.'),
    details: z.record(z.string(), z.union([z.string(), z.number(), z.null()])).describe('For programs.'),
    forOperators: z.boolean().describe('It is about this Reef as a whole.'),
    createdAt: timeSchema,
  })
  .meta({ id: 'Alert' })

export const alertsSchema = z.object({
  alerts: z.array(alertSchema),
  mail: z.boolean().describe('Whether they go out by mail too; false where no mail server is set.'),
})

export const alertWebhookSchema = z
  .object({
    url: z.string(),
    lastDelivery: z
      .object({
        at: timeSchema,
        state: z.enum(['delivered', 'retrying', 'failed']),
        failure: z.string().nullable(),
      })
      .nullable(),
  })
  .meta({ id: 'AlertWebhook' })

export const alertWebhookAnswerSchema = z.object({ webhook: alertWebhookSchema.nullable() })

export const savedAlertWebhookSchema = z.object({
  webhook: alertWebhookSchema,
  secret: z.string().describe('Signs what is posted: see docs/reference/alert-webhook.md.'),
})

export const alertWebhookBodySchema = z.strictObject({
  url: textSchema.min(1).max(2000).describe('https:// and a public host.'),
  rotateSecret: z
    .boolean()
    .default(false)
    .describe('Make a new key; the old one signs nothing from then on.'),
})
