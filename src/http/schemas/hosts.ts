import { z } from 'zod'

export const hostParamsSchema = z.strictObject({
  hostName: z.string().min(1).max(100).describe('As the settings of the driver and the overview call it.'),
})

export const hostStateBodySchema = z.strictObject({
  state: z
    .enum(['active', 'draining'])
    .describe('draining: no new instance is placed there; those that are there stay until they are removed.'),
})

export const hostStateSchema = z
  .object({ name: z.string(), state: z.enum(['active', 'draining', 'unreachable']) })
  .meta({ id: 'HostState' })
