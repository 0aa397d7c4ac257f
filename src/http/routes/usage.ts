import type { z } from 'zod'
import type { Authenticator } from '../../domain/accounts/principal.ts'
import type { UsageReports, UsageSums } from '../../domain/usage/report.ts'
import { createLimiter } from '../limiter.ts'
import { errorResponses } from '../schemas/errors.ts'
import { usageQuerySchema, usageSchema, type usageSumsSchema } from '../schemas/usage.ts'
import { bearerSecurity, requirePrincipal, type Server } from '../server.ts'

export interface UsageRouteDeps {
  authenticator: Authenticator
  reports: UsageReports
}

const dayMilliseconds = 86_400_000
const defaultDays = 30
/** Each may add up a year of calls; a page asks for a handful at a time. */
const reportsPerMinuteMax = 240

export function registerUsageRoutes(app: Server, { authenticator, reports }: UsageRouteDeps): void {
  const limitReports = createLimiter({
    timesMax: reportsPerMinuteMax,
    seconds: 60,
    message: 'Usage was asked for too often within a minute. Ask for more days at once, or wait a moment.',
  })
  app.get(
    '/api/usage',
    {
      onRequest: requirePrincipal(authenticator),
      schema: {
        tags: ['credits'],
        security: bearerSecurity,
        summary: 'What was used and what it cost; ordinary members see what they used themselves',
        querystring: usageQuerySchema,
        response: { 200: usageSchema, ...errorResponses(400, 401, 404, 429) },
      },
    },
    async ({ principal, query }) => {
      await limitReports(principal.userId)
      const { by, by2 } = query
      const to = query.to ?? new Date((Math.floor(Date.now() / dayMilliseconds) + 1) * dayMilliseconds)
      const from = query.from ?? new Date(to.getTime() - defaultDays * dayMilliseconds)
      const { rows, total } = await reports.report(principal, { from, to, by, by2 })
      return {
        from: from.toISOString(),
        to: to.toISOString(),
        by: by2 ? [by, by2] : [by],
        rows: rows.map((row) => {
          const { day, model, instance, member, agentId, ...sums } = row
          return { day, model, instance, member, agentId, ...sumsBody(sums) }
        }),
        total: sumsBody(total),
      }
    },
  )
}

function sumsBody(sums: UsageSums): z.infer<typeof usageSumsSchema> {
  const {
    runningMilliseconds,
    suspendedMilliseconds,
    storedMilliseconds,
    modelCost,
    runtimeCost,
    ...counts
  } = sums
  return {
    ...counts,
    runningSeconds: runningMilliseconds / 1000,
    suspendedSeconds: suspendedMilliseconds / 1000,
    storedSeconds: storedMilliseconds / 1000,
    modelCostMicros: modelCost,
    runtimeCostMicros: runtimeCost,
    costMicros: modelCost + runtimeCost,
  }
}
