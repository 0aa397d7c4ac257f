import { z } from 'zod'
import { idSchema, textSchema, timeSchema } from './common.ts'

const cents = z.number().int().describe('Hundredths of the currency.')
const micros = z.number().int().describe('Micro-credits; a credit is a million of them.')

export const paymentSchema = z
  .object({
    id: idSchema,
    kind: z.enum(['checkout', 'auto_top_up']),
    state: z
      .enum(['open', 'processing', 'paid', 'failed', 'expired'])
      .describe('`processing`: the bank takes its time. Credits come with `paid`.'),
    pack: z.string(),
    creditsMicros: micros,
    amountCents: cents,
    currency: z.string().describe('ISO 4217, in lower case.'),
    refundedCents: cents,
    dispute: z.enum(['inquiry', 'open', 'won', 'lost']).nullable(),
    receiptUrl: z.string().nullable().describe('Stripe’s receipt.'),
    failure: z.string().nullable(),
    createdAt: timeSchema,
    paidAt: timeSchema.nullable(),
  })
  .meta({ id: 'Payment' })

const creditPackSchema = z
  .object({ id: z.string(), name: z.string(), creditsMicros: micros, priceCents: cents })
  .meta({ id: 'CreditPack' })

const autoTopUpFields = {
  enabled: z.boolean(),
  thresholdMicros: z
    .number()
    .int()
    .min(1)
    .max(1e15)
    .describe('Below so many micro-credits a pack is bought.'),
  pack: z.string().max(40),
  monthlyLimitCents: z
    .number()
    .int()
    .min(1)
    .max(1e9)
    .describe('Most that is bought by itself in a calendar month (UTC).'),
}

export const autoTopUpBodySchema = z.strictObject(autoTopUpFields)
export const autoTopUpSchema = z
  .object({
    ...autoTopUpFields,
    problem: z
      .string()
      .nullable()
      .describe('Why nothing is bought although credits are low, and what to do.'),
  })
  .meta({ id: 'AutoTopUp' })

export const paymentsSchema = z
  .object({
    provider: z.enum(['stripe']).nullable().describe('Null: nothing is sold here, see `message`.'),
    testMode: z.boolean().describe('The money is pretended.'),
    message: z.string().nullable(),
    mayBuy: z.boolean(),
    currency: z.string(),
    packs: z.array(creditPackSchema),
    card: z.object({ brand: z.string(), last4: z.string(), expires: z.string() }).nullable(),
    autoTopUp: autoTopUpSchema.nullable(),
    payments: z.array(paymentSchema).describe('The last 100, newest first; for owners and admins.'),
  })
  .meta({ id: 'Payments' })

export const checkoutBodySchema = z.strictObject({
  pack: z.string().max(40),
  saveCard: z
    .boolean()
    .default(false)
    .describe('Keep the card for auto top-up; Stripe’s page asks for consent.'),
})
export const checkoutSchema = z.object({
  paymentId: idSchema,
  url: z.string().describe('Open it in a browser.'),
})
export const portalSchema = z.object({ url: z.string() })

export const refundBodySchema = z.strictObject({
  amountCents: z
    .number()
    .int()
    .min(1)
    .optional()
    .describe('Default: as much as unused credits stand for; with `force` all.'),
  force: z.boolean().default(false).describe('Also what was used already; that is written off.'),
  reason: textSchema.trim().max(500).optional().describe('For the statement.'),
  idempotencyKey: idSchema
    .optional()
    .describe('A UUID. With the same one the money goes back once, however often it is sent.'),
})

export const adminPaymentsQuerySchema = z.strictObject({
  organizationId: idSchema.optional(),
  search: textSchema
    .trim()
    .max(200)
    .optional()
    .describe('Part of an organization’s name or slug, of a member’s e-mail address, or of an id.'),
  disputed: z.enum(['true', 'false']).default('false').describe('Only those that were ever disputed.'),
  cursor: idSchema.optional().describe('Of an earlier page.'),
  limit: z.coerce.number().int().min(1).max(200).default(50),
})

const disputeSchema = z
  .object({
    id: z.string().describe('Stripe’s.'),
    state: z.enum(['inquiry', 'open', 'won', 'lost']),
    amountCents: cents,
    creditsMicros: micros.describe('What the amount stands for.'),
    frozenMicros: micros.describe('Held back while it is open; what was used before cannot be.'),
    takenMicros: micros.describe('Gone with a dispute that was lost.'),
    writtenOffMicros: micros.describe('Had been used when it was lost.'),
    reason: z.string().nullable(),
    dueAt: timeSchema.nullable().describe('Until when Stripe takes evidence.'),
    createdAt: timeSchema,
  })
  .meta({ id: 'Dispute' })

const adminPaymentSchema = paymentSchema
  .extend({
    organizationId: idSchema,
    organizationName: z.string().nullable().describe('Null once it is gone.'),
    intentId: z.string().nullable().describe('Stripe’s.'),
    leftCents: cents.describe('Paid and not given back yet.'),
    unusedCents: cents.describe('What of that unused credits stand for.'),
    availableMicros: micros.describe('The organization’s credits that it can spend now.'),
    disputes: z.array(disputeSchema).describe('Oldest first.'),
  })
  .meta({ id: 'AdminPayment' })

export const adminPaymentsSchema = z.object({
  sells: z.boolean().describe('False: no key of Stripe’s is set, so nothing can be refunded.'),
  payments: z.array(adminPaymentSchema).describe('The newest first.'),
  cursor: idSchema.nullable().describe('Give it back for the next older page; null on the last one.'),
})

const comparedSchema = z.object({ listed: z.number().int(), repaired: z.number().int() })
export const reconciliationSchema = z
  .object({
    from: timeSchema,
    until: timeSchema,
    events: z.object({
      listed: z.number().int(),
      missed: z.number().int().describe('Never delivered; they are processed now.'),
      unprocessed: z.number().int(),
    }),
    payments: comparedSchema,
    refunds: comparedSchema,
    disputes: comparedSchema,
    differences: z.array(z.string()).describe('What a person has to look at.'),
  })
  .meta({ id: 'Reconciliation' })

export const reconciliationsSchema = z.object({
  sells: z.boolean().describe('False: no key of Stripe’s is set, so there is nothing to compare with.'),
  reconciliations: z
    .array(
      z
        .object({
          id: idSchema,
          startedAt: timeSchema,
          finishedAt: timeSchema.nullable().describe('Null while it is under way.'),
          failure: z.string().nullable().describe('Why it came to no end.'),
          report: reconciliationSchema.nullable(),
        })
        .meta({ id: 'ReconciliationRun' }),
    )
    .describe('The last 10, newest first.'),
})
