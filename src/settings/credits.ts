import { z } from 'zod'
import { isCurrency, parsePacks } from '../domain/payments/packs.ts'

/** What people begin with, and how credits are sold. */
export const creditsSettings = {
  REEF_TRIAL_CREDITS: z.coerce
    .number()
    .int()
    .min(0)
    .max(1_000_000)
    .default(500)
    .describe('Credits that a new person’s organization begins with, once (0: none).'),
  REEF_USAGE_DAYS: z.coerce
    .number()
    .int()
    .min(35)
    .max(36_500)
    .default(400)
    .describe(
      'How long each model call, each charge for runtime and past alerts can be looked up, in days. The ledger is kept for ever.',
    ),
  STRIPE_SECRET_KEY: z
    .string()
    .regex(/^[sr]k_(test|live)_\S+$/, 'is a secret or restricted key of Stripe’s: sk_... or rk_...')
    .optional()
    .describe('Turns on selling credits with Stripe. With a test key the money is pretended.'),
  STRIPE_WEBHOOK_SECRET: z
    .string()
    .default('')
    .transform((text) => text.split(',').flatMap((part) => part.trim() || []))
    .refine((secrets) => secrets.every((secret) => /^whsec_\S+$/.test(secret)), 'begins with whsec_')
    .describe(
      'Signing secret of the webhook endpoint at Stripe; two, comma-separated, while one replaces the other.',
    ),
  STRIPE_API_BASE: z
    .url()
    .default('https://api.stripe.com')
    .describe('Where Stripe’s API is. For tests only.'),
  REEF_CREDIT_PACKS: z
    .string()
    .default('500=5,1000=10,5000=50,10000=100')
    .refine(
      (text) => parsePacks(text) !== undefined,
      'is a list of CREDITS=PRICE, for example 500=5,1000=9.50',
    )
    .transform((text) => parsePacks(text) ?? [])
    .describe('Packs of credits that are sold, comma-separated: CREDITS=PRICE, the price with a dot.'),
  REEF_CREDIT_CURRENCY: z
    .string()
    .toLowerCase()
    .refine(isCurrency, 'is a currency with hundredths, for example usd')
    .default('usd')
    .describe('Currency of those prices (ISO 4217), one with hundredths.'),
}
