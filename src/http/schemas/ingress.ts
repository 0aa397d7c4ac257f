import { z } from 'zod'

export const askQuerySchema = z.object({ domain: z.string().max(253) })
