import { z } from 'zod'
import { idSchema, timeSchema } from './common.ts'
import { instanceStatusSchema } from './instances.ts'

const bytesSchema = z.number().int().min(0)

export const operatorSchema = z
  .object({ userId: idSchema, name: z.string(), email: z.string(), appointedAt: timeSchema })
  .meta({ id: 'Operator' })
export const operatorsSchema = z.object({ operators: z.array(operatorSchema) })
export const appointBodySchema = z.strictObject({
  email: z.email('is not an e-mail address').describe('Of somebody who has signed up.'),
})

export const hostSchema = z
  .object({
    name: z.string(),
    state: z.enum(['active', 'draining', 'unreachable']),
    memoryTotalBytes: bytesSchema,
    memoryAvailableBytes: bytesSchema,
    swapTotalBytes: bytesSchema,
    swapFreeBytes: bytesSchema,
    zramTotalBytes: bytesSchema.describe('Swap that is compressed memory.'),
    diskTotalBytes: bytesSchema.describe('Of the disk with the instances’ state; 0 where it is not known.'),
    diskFreeBytes: bytesSchema,
    cpus: z.number(),
    slotCount: z.number().int(),
    pausedCount: z.number().int(),
    residentBytes: bytesSchema.describe('What all slots of the host really hold in memory.'),
    swappedBytes: bytesSchema,
  })
  .meta({ id: 'Host' })

export const overviewSchema = z
  .object({
    driver: z.string(),
    pool: z.object({
      wanted: z.number().int().describe('Slots that are kept booted.'),
      available: z.number().int(),
      booting: z.number().int(),
    }),
    instances: z.array(z.object({ status: instanceStatusSchema, count: z.number().int() })),
    controlPlanes: z.array(
      z.object({ id: idSchema, startedAt: timeSchema, heartbeatAt: timeSchema, specVersion: z.string() }),
    ),
    hosts: z.array(hostSchema),
    hostsProblem: z.string().nullable().describe('Why the hosts could not be asked, if they could not.'),
    queue: z
      .array(
        z.object({
          instanceId: idSchema.nullable().describe('Null for a slot of the pool.'),
          instanceName: z.string().nullable(),
          organizationName: z.string().nullable(),
          waitingSince: timeSchema,
        }),
      )
      .describe('Slots that wait for room, first in line first.'),
    problems: z
      .array(
        z.object({
          instanceId: idSchema,
          instanceName: z.string(),
          organizationName: z.string(),
          code: z.string(),
          message: z.string(),
          since: timeSchema,
        }),
      )
      .describe('Instances that do not run although their owners want them to.'),
  })
  .meta({ id: 'Overview' })
