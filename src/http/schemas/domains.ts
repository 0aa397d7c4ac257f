import { z } from 'zod'
import { idSchema, timeSchema } from './common.ts'

export const domainSchema = z
  .object({
    id: idSchema,
    domain: z.string(),
    state: z
      .enum(['pending', 'verified', 'failed'])
      .describe('Only a verified domain leads to the instance.'),
    problem: z.string().nullable().describe('What is wrong and what to do about it.'),
    pointsHere: z
      .boolean()
      .nullable()
      .describe('Whether the name leads to this Reef; null until it was looked up.'),
    url: z.string(),
    records: z
      .array(z.object({ type: z.enum(['TXT', 'CNAME']), name: z.string(), value: z.string() }))
      .describe('What to set at the DNS.'),
    createdAt: timeSchema,
    checkedAt: timeSchema.nullable(),
    verifiedAt: timeSchema.nullable(),
  })
  .meta({ id: 'Domain' })

export const domainsSchema = z.object({ domains: z.array(domainSchema) })
export const addDomainBodySchema = z.strictObject({ domain: z.string().min(1).max(300) })
