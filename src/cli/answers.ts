import { z } from 'zod'
import { conversationSchema } from '../../supervisor/conversations.ts'
import { apiKeySchema } from '../http/schemas/accounts.ts'
import { instanceSchema, logLineSchema, sessionSchema } from '../http/schemas/instances.ts'

/** Answers that hold more than one thing; the things themselves are described once, in http/schemas. */
export const instancesSchema = z.object({ instances: z.array(instanceSchema) })
export const apiKeysSchema = z.object({ apiKeys: z.array(apiKeySchema) })
export const logLinesSchema = z.object({ lines: z.array(logLineSchema) })
export const launchSchema = z.object({ session: sessionSchema, instance: instanceSchema })
export const conversationsSchema = z.object({ conversations: z.array(conversationSchema) })
export const stoppedSchema = z.object({ stopped: z.boolean() })
