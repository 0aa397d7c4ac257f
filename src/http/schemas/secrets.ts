import { z } from 'zod'
import { idSchema, timeSchema } from './common.ts'

const secretScopeSchema = z.enum(['organization', 'instance', 'session'])

export const secretSchema = z
  .object({
    id: idSchema,
    name: z.string(),
    scope: secretScopeSchema,
    instanceId: idSchema.nullable(),
    sessionId: idSchema.nullable(),
    version: z.number().int().describe('Rises by one with each new value.'),
    fingerprint: z.string().describe('Equal for equal values of one organization.'),
    sizeBytes: z.number().int(),
    exposeToTools: z.boolean().describe('Commands that the agent runs see it as an environment variable.'),
    overridden: z.boolean().describe('A narrower secret of the same name is used in its place.'),
    createdAt: timeSchema,
    updatedAt: timeSchema,
    lastUsedAt: timeSchema.nullable().describe('When an instance was last given it.'),
  })
  .meta({ id: 'Secret' })

export const secretEventSchema = z
  .object({
    id: idSchema,
    at: timeSchema,
    kind: z.enum(['created', 'rotated', 'exposed', 'hidden', 'removed', 'ended', 'delivered']),
    name: z.string(),
    scope: secretScopeSchema,
    version: z.number().int(),
    instanceId: idSchema.nullable(),
    sessionId: idSchema.nullable(),
    userId: idSchema.nullable().describe('Who did it; null for a delivery.'),
    slotId: idSchema.nullable().describe('Of a delivery: which machine was given it.'),
  })
  .meta({ id: 'SecretEvent' })

const value = z.string().describe('Never answered by any route. At most 16 KiB.')
const exposeToTools = z.boolean().optional().describe('Default: as it was, else false.')

export const organizationSecretBodySchema = z.strictObject({ value, exposeToTools })
export const instanceSecretBodySchema = z.strictObject({
  value,
  exposeToTools,
  scope: z
    .enum(['instance', 'session'])
    .default('instance')
    .describe('`session`: for the open session only, and gone with it.'),
})
export const secretsSchema = z.object({ secrets: z.array(secretSchema) })
export const secretEventsSchema = z.object({ events: z.array(secretEventSchema) })
export const secretNameSchema = z.string().max(128)
