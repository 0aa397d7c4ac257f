import { z } from 'zod'
import { organizationSchema, userSchema } from './accounts.ts'
import { idSchema, nameSchema, timeSchema } from './common.ts'

export const instanceStatusSchema = z.enum([
  'provisioning',
  'running',
  'suspended',
  'stopping',
  'stopped',
  'failed',
  'deleting',
  'deleted',
])
const instanceActionSchema = z.enum([
  'start',
  'suspend',
  'stop',
  'restart',
  'upgrade',
  'delete',
  'open',
  'chat',
])

const sleepSchema = z
  .object({
    rung: z.enum(['suspended', 'frozen', 'frozen_on_disk', 'stopped', 'archived']),
    since: timeSchema,
    wakesAt: timeSchema.nullable().describe('When it wakes by itself, for a cron job or a heartbeat.'),
    billed: z.string(),
    survives: z.string(),
  })
  .meta({ id: 'Sleep' })

export const instanceSchema = z
  .object({
    id: idSchema,
    name: z.string(),
    slug: z.string(),
    status: instanceStatusSchema,
    desiredState: z.enum(['running', 'suspended', 'stopped', 'deleted']),
    reason: z
      .object({ code: z.string(), message: z.string() })
      .nullable()
      .describe('Why it is in this state, when that needs saying.'),
    sleep: sleepSchema
      .nullable()
      .describe(
        'Set while nobody uses it and it sleeps; any request to it wakes it. Null when a person stopped it.',
      ),
    upgrade: z
      .object({
        from: z.string(),
        to: z.string(),
        startedAt: timeSchema,
        finishedAt: timeSchema.nullable(),
        outcome: z.enum(['under_way', 'succeeded', 'rolled_back']),
        message: z.string().nullable().describe('Why it was rolled back.'),
      })
      .nullable()
      .describe('The last upgrade, if there was one.'),
    steps: z
      .array(z.object({ name: z.string(), startedAt: timeSchema, finishedAt: timeSchema.nullable() }))
      .describe('Steps of the launch under way or last done.'),
    actions: z
      .array(instanceActionSchema)
      .describe('What can be done with it now; the same table that the API checks.'),
    driver: z.string(),
    plan: z.string().describe('What its running time costs goes by it: see GET /api/credits/prices.'),
    isolation: z.enum(['none', 'container', 'vm']),
    url: z.string().describe('Its own address.'),
    openclawVersion: z.string().nullable(),
    memoryBytes: z.number().int().nullable(),
    cpuPercent: z.number().nullable().describe('Of one core.'),
    sessionId: idSchema.nullable().describe('The open session, if any.'),
    runningSince: timeSchema.nullable(),
    createdAt: timeSchema,
  })
  .meta({ id: 'Instance' })

export const sessionSchema = z
  .object({
    id: idSchema,
    instanceId: idSchema,
    openedAt: timeSchema,
    closedAt: timeSchema.nullable(),
    closeReason: z.string().nullable(),
  })
  .meta({ id: 'Session' })

export const meSchema = z
  .object({
    user: userSchema,
    organization: organizationSchema,
    organizations: z.array(organizationSchema),
    status: z
      .enum(['stopped', 'provisioning', 'running', 'suspended', 'failed'])
      .describe('Of the caller’s instance; stopped when there is none.'),
    instance: instanceSchema.nullable(),
    operator: z.boolean().describe('Runs this Reef: may use /api/admin.'),
    emailToConfirm: z
      .object({ email: z.string(), trial: z.boolean().describe('Trial credits wait for it.') })
      .nullable()
      .describe('The caller’s own address while it is not confirmed; null where no mail is sent.'),
  })
  .meta({ id: 'Me' })

export const provisionBodySchema = z.strictObject({ name: nameSchema.optional() })

export const logLineSchema = z
  .object({ at: timeSchema, source: z.enum(['openclaw', 'supervisor']), text: z.string() })
  .meta({ id: 'LogLine' })
export const sampleSchema = z
  .object({ at: timeSchema, memoryBytes: z.number().int(), cpuPercent: z.number() })
  .meta({ id: 'Sample' })

export const visitSchema = z
  .object({ url: z.string().describe('Opens the Control UI, signed in. Good once, for one minute.') })
  .meta({ id: 'Visit' })

/** Public facts that a client needs before anyone has logged in. */
export const infoSchema = z
  .object({
    version: z.string(),
    proxyUrl: z.string().describe('Base URL of /v1 and of the conversations of a session.'),
    driver: z.object({ name: z.string(), isolation: z.enum(['none', 'container', 'vm']) }),
    demo: z.boolean().describe('True while the built-in demo model answers because no provider key is set.'),
    model: z.string().describe('Model that instances use, PROVIDER/MODEL.'),
  })
  .meta({ id: 'Info' })
