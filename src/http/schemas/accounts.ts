import { z } from 'zod'
import { scopes } from '../../domain/accounts/principal.ts'
import { idSchema, nameSchema, timeSchema } from './common.ts'

export const roleSchema = z.enum(['owner', 'admin', 'member'])
export const scopeSchema = z.enum(scopes)
const emailSchema = z.email('is not an e-mail address').max(254).toLowerCase()
export const passwordSchema = z.string().min(10, 'needs at least 10 characters').max(200)

export const userSchema = z.object({ id: idSchema, email: z.string(), name: z.string() }).meta({ id: 'User' })

export const signUpBodySchema = z.strictObject({
  email: emailSchema,
  password: passwordSchema,
  name: nameSchema,
})
export const logInBodySchema = z.strictObject({ email: emailSchema, password: z.string().min(1).max(200) })
export const logOutBodySchema = z.strictObject({
  refreshToken: z
    .string()
    .optional()
    .describe('Browsers leave it out: theirs is in the cookie reef_refresh.'),
})
export const refreshBodySchema = logOutBodySchema.extend({
  attempt: z
    .string()
    .min(16)
    .max(200)
    .optional()
    .describe(
      'A random secret of this attempt. Should its answer get lost, the same attempt gets it again for a minute.',
    ),
})

export const verifyEmailBodySchema = z.strictObject({ token: z.string().min(1).max(200) })

export const tokensSchema = z
  .object({
    accessToken: z.string().describe('JWT, sent as `Authorization: Bearer`.'),
    expiresInSeconds: z.number().int(),
    refreshToken: z
      .string()
      .describe('Good once, for 30 days. Also set as the HttpOnly cookie reef_refresh.'),
    user: userSchema,
  })
  .meta({ id: 'Tokens' })

export const organizationSchema = z
  .object({
    id: idSchema,
    name: z.string(),
    slug: z.string(),
    personal: z.boolean(),
    role: roleSchema,
    createdAt: timeSchema,
  })
  .meta({ id: 'Organization' })

export const memberSchema = z
  .object({ userId: idSchema, name: z.string(), email: z.string(), role: roleSchema, joinedAt: timeSchema })
  .meta({ id: 'Member' })

export const invitationSchema = z
  .object({ id: idSchema, email: z.string(), role: roleSchema, createdAt: timeSchema, expiresAt: timeSchema })
  .meta({ id: 'Invitation' })

/** The token is in no other answer: it goes into the link that is sent to the invited person. */
export const newInvitationSchema = invitationSchema
  .extend({ token: z.string(), url: z.string().describe('Link for the invited person.') })
  .meta({ id: 'NewInvitation' })

export const apiKeySchema = z
  .object({
    id: idSchema,
    name: z.string(),
    hint: z.string().describe('First and last characters, to recognise it by.'),
    scopes: z.array(scopeSchema),
    createdAt: timeSchema,
    expiresAt: timeSchema.nullable(),
    lastUsedAt: timeSchema.nullable(),
    createdBy: idSchema,
  })
  .meta({ id: 'ApiKey' })

export const newApiKeySchema = apiKeySchema
  .extend({ key: z.string().describe('Shown this once.') })
  .meta({ id: 'NewApiKey' })

export const createApiKeyBodySchema = z.strictObject({
  name: nameSchema,
  scopes: z.array(scopeSchema).min(1).default(['instances:read', 'chat']),
  expiresInDays: z.number().int().min(1).max(3650).nullable().default(null),
})

export const organizationBodySchema = z.strictObject({ name: nameSchema })
export const createInvitationBodySchema = z.strictObject({
  email: emailSchema,
  role: roleSchema.default('member'),
})
export const acceptInvitationBodySchema = z.strictObject({ token: z.string().min(1).max(200) })
export const updateMemberBodySchema = z.strictObject({ role: roleSchema })
