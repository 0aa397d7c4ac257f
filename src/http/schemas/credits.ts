import { z } from 'zod'
import { entryKinds } from '../../domain/credits/entry.ts'
import { idSchema, textSchema, timeSchema } from './common.ts'

/** Amounts are whole micro-credits: 1,000,000 are one credit. */
export const microsSchema = z.number().int()

export const creditsSchema = z
  .object({
    availableMicros: microsSchema.describe('What can be spent.'),
    reservedMicros: microsSchema.describe('Held for what is under way; what is not used comes back.'),
    spentMicros: microsSchema.describe('Used so far, ever.'),
    frozenMicros: microsSchema.describe('Held back while a payment is disputed.'),
    refundedMicros: microsSchema.describe('Taken back with the money that was paid for them.'),
    grantedMicros: microsSchema,
    purchasedMicros: microsSchema,
    writtenOffMicros: microsSchema.describe('Used or paid back beyond what there was, and owed by nobody.'),
    burnMicrosPerHour: microsSchema.describe(
      'What runs now costs per hour, and what models cost in the last hour.',
    ),
    lastsUntil: timeSchema
      .nullable()
      .describe('When nothing is left if it goes on like this; null when it does not go down.'),
    hold: z
      .enum(['credits', 'budget'])
      .nullable()
      .describe('Why instances are held although their owners want them to run.'),
    paymentsPossible: z
      .boolean()
      .describe(
        'Whether credits can be bought here. If not, the operator grants them: `reef credits grant`.',
      ),
  })
  .meta({ id: 'Credits' })

export const entrySchema = z
  .object({
    sequence: z.number().int().describe('Its place in the organization’s chain of transfers.'),
    at: timeSchema,
    kind: z
      .enum(entryKinds)
      .describe(
        '`usage`: what something came to; `hold` and `release`: what was held for it and given back.',
      ),
    amountMicros: microsSchema.describe('By how much it changed what there is, available and reserved.'),
    heldMicros: microsSchema.describe('By how much it changed what of that is reserved.'),
    writtenOffMicros: microsSchema.describe('Taken beyond what there was, and owed by nobody.'),
    balanceMicros: microsSchema
      .nullable()
      .describe('What there was after it, available and reserved; null when a search leaves entries out.'),
    note: z.string().nullable(),
    reference: z.string().nullable().describe('What it is about, for example a payment.'),
    key: z.string().describe('Idempotency key.'),
    actorUserId: idSchema.nullable().describe('Who did it; null for what Reef does by itself.'),
  })
  .meta({ id: 'LedgerEntry' })

export const entriesSchema = z.object({
  entries: z.array(entrySchema),
  cursor: z.string().nullable().describe('Give it back for the next older page; null on the last one.'),
})

const momentSchema = z
  .union([z.iso.date(), z.iso.datetime()], {
    error: 'is not a time; write 2026-11-21 or 2026-11-21T12:00:00Z',
  })
  .transform((text) => new Date(text))

export const statementQuerySchema = z.strictObject({
  search: textSchema.trim().min(1).max(200).optional().describe('Text in note, reference or key.'),
  kind: z.enum(entryKinds).optional(),
  from: momentSchema.optional().describe('A day or a time, UTC.'),
  to: momentSchema.optional().describe('A day or a time, UTC; not included.'),
  holds: z.enum(['true', 'false']).default('false').describe('Also what was only held, and given back.'),
})

export const entriesQuerySchema = statementQuerySchema.extend({
  cursor: z
    .string()
    .regex(/^\d{1,15}$/, 'is not a cursor of an earlier page')
    .optional(),
  limit: z.coerce.number().int().min(1).max(200).default(50),
})

export const grantBodySchema = z.strictObject({
  to: textSchema
    .trim()
    .min(1)
    .max(254)
    .describe('Id or slug of an organization, or the e-mail address of whose personal one is meant.'),
  credits: z
    .number()
    .positive('must be more than 0')
    .max(100_000_000, 'may be at most 100,000,000')
    .describe('At most six decimals.'),
  note: textSchema.trim().max(500).optional().describe('Shown in the organization’s statement.'),
  idempotencyKey: z
    .string()
    .regex(/^[A-Za-z0-9_.:-]{1,100}$/, 'takes 1 to 100 letters, digits, _ . : -')
    .optional()
    .describe('With the same one the grant is made once, however often it is sent.'),
})

export const grantSchema = z
  .object({
    organization: z.object({ id: idSchema, name: z.string(), slug: z.string() }),
    amountMicros: microsSchema,
    availableMicros: microsSchema.describe('What the organization can spend now.'),
    replayed: z.boolean().describe('It had been made before with this idempotency key.'),
  })
  .meta({ id: 'Grant' })

export const ledgerReportSchema = z
  .object({
    ok: z.boolean(),
    startedAt: timeSchema,
    seconds: z.number(),
    organizations: z.number().int(),
    transfers: z.number().int(),
    anchors: z.number().int().describe('Files outside of the database that were compared.'),
    totalsMicros: z.object({
      granted: microsSchema,
      purchased: microsSchema,
      writtenOff: microsSchema,
      available: microsSchema,
      reserved: microsSchema,
      spent: microsSchema,
      frozen: microsSchema,
      refunded: microsSchema,
    }),
    problems: z
      .array(
        z.object({
          kind: z.enum(['chain', 'book', 'reservation', 'totals', 'anchor']),
          organizationId: z.string().nullable(),
          sequence: z.number().int().nullable(),
          message: z.string(),
        }),
      )
      .describe('The first hundred.'),
    problemsCount: z.number().int(),
  })
  .meta({ id: 'LedgerReport' })
