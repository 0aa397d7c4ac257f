import type { z } from 'zod'
import type { Authenticator } from '../../domain/accounts/principal.ts'
import { microsOf } from '../../domain/credits/credit.ts'
import type { Grants } from '../../domain/credits/grants.ts'
import type { LedgerAudit } from '../../domain/credits/ledger-audit.ts'
import type { LedgerReport } from '../../domain/credits/verify.ts'
import type { Operators } from '../../domain/operators/operators.ts'
import { invalid } from '../../errors.ts'
import { grantBodySchema, grantSchema, ledgerReportSchema } from '../schemas/credits.ts'
import { errorResponses } from '../schemas/errors.ts'
import { bearerSecurity, requirePrincipal, type Server } from '../server.ts'

export interface LedgerAdminRouteDeps {
  authenticator: Authenticator
  operators: Operators
  grants: Grants
  audit: LedgerAudit
}

/** For operators only; anybody else gets the 404 of a path that does not exist. */
export function registerLedgerAdminRoutes(app: Server, deps: LedgerAdminRouteDeps): void {
  const onRequest = requirePrincipal(deps.authenticator)
  const shared = { tags: ['admin'], security: bearerSecurity }

  app.post(
    '/api/admin/credits/grants',
    {
      onRequest,
      schema: {
        ...shared,
        summary: 'Give an organization credits without payment',
        body: grantBodySchema,
        response: { 200: grantSchema, ...errorResponses(400, 401, 404, 409) },
      },
    },
    async ({ principal, body: { credits, ...order } }) => {
      await deps.operators.requireOperator(principal)
      const amount = microsOf(String(credits))
      if (amount === undefined) throw invalid('credits', 'An amount has at most six decimals.')
      const { available, organization, replayed } = await deps.grants.give(principal, { ...order, amount })
      return { organization, amountMicros: amount, availableMicros: available, replayed }
    },
  )

  app.post(
    '/api/admin/ledger/verify',
    {
      onRequest,
      schema: {
        ...shared,
        summary: 'Do every transfer again and compare with books, reservations and anchors',
        response: { 200: ledgerReportSchema, ...errorResponses(401, 404) },
      },
    },
    async ({ principal }) => {
      await deps.operators.requireOperator(principal)
      return reportBody(await deps.audit.run())
    },
  )
}

function reportBody({ startedAt, totals, ...report }: LedgerReport): z.infer<typeof ledgerReportSchema> {
  const { written_off: writtenOff, ...rest } = totals
  return { ...report, startedAt: startedAt.toISOString(), totalsMicros: { ...rest, writtenOff } }
}
