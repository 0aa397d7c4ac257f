import { z } from 'zod'
import { timeSchema } from './common.ts'

const modeSchema = z
  .enum(['allow_list', 'open'])
  .describe(
    'allow_list: what is listed and nothing else. open: any public address, if the operator permits it.',
  )
const portsSchema = z
  .array(z.number().int().min(1).max(65_535))
  .max(10, 'may name at most 10 ports')
  .describe('Empty: 80 and 443.')

export const egressSchema = z
  .object({
    ownMode: modeSchema.nullable().describe('As set here; null: an instance follows its organization.'),
    mode: modeSchema.describe('What holds.'),
    openPermitted: z.boolean(),
    enforced: z.boolean().describe('Whether the compute driver holds instances to it.'),
    notice: z.string().describe('The same in words.'),
    rules: z.array(
      z.object({
        domain: z.string().describe('example.com, or *.example.com for everything below it.'),
        ports: portsSchema,
        inherited: z.boolean().describe('Of an instance: the rule is its organization’s.'),
        createdAt: timeSchema,
      }),
    ),
    traffic: z
      .object({ sentBytes: z.number().int(), receivedBytes: z.number().int() })
      .nullable()
      .describe('Of an instance: through the gate in the last 24 hours.'),
  })
  .meta({ id: 'Egress' })

export const egressModeBodySchema = z.strictObject({
  mode: modeSchema.nullable().describe('null: back to what holds without a setting of its own.'),
})

export const egressRuleBodySchema = z.strictObject({
  domain: z.string().max(300),
  ports: portsSchema.default([]),
})

export const presetSchema = z
  .object({
    id: z.string(),
    title: z.string(),
    description: z.string(),
    domains: z.array(z.string()),
  })
  .meta({ id: 'EgressPreset' })

export const deniedDomainSchema = z
  .object({
    host: z.string().describe('Empty when nothing readable was asked for.'),
    ports: z.array(z.number().int()),
    reason: z.string(),
    attempts: z.number().int(),
    lastAt: timeSchema,
    canAllow: z.boolean().describe('Whether a rule would change the answer.'),
  })
  .meta({ id: 'EgressDenied' })
