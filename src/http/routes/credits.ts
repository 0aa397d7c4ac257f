import { z } from 'zod'
import type { Authenticator } from '../../domain/accounts/principal.ts'
import type { Balance, Balances } from '../../domain/credits/balance.ts'
import { decimalCredits } from '../../domain/credits/credit.ts'
import type { Entry } from '../../domain/credits/entry.ts'
import type { StatementFilter, Statements } from '../../domain/credits/statement.ts'
import { type Cell, csvStream } from '../csv.ts'
import { createLimiter } from '../limiter.ts'
import {
  creditsSchema,
  entriesQuerySchema,
  entriesSchema,
  type entrySchema,
  statementQuerySchema,
} from '../schemas/credits.ts'
import { errorResponses } from '../schemas/errors.ts'
import { bearerSecurity, requirePrincipal, type Server } from '../server.ts'

export interface CreditRouteDeps {
  authenticator: Authenticator
  balances: Balances
  statements: Statements
  paymentsPossible(): boolean
}

/** A search reads an organization's whole chain. */
const pagesPerMinuteMax = 240
/** As does an export, and writes it all out. */
const exportsPerMinuteMax = 20

/** What an organization has, and what happened to it. */
export function registerCreditRoutes(app: Server, deps: CreditRouteDeps): void {
  const onRequest = requirePrincipal(deps.authenticator)
  const shared = { tags: ['credits'], security: bearerSecurity }
  const limitPages = createLimiter({
    timesMax: pagesPerMinuteMax,
    seconds: 60,
    message: 'The statement was asked for too often within a minute. Take it as CSV, or wait a moment.',
  })
  const limitExports = createLimiter({
    timesMax: exportsPerMinuteMax,
    seconds: 60,
    message: 'The statement was exported too often within a minute. Wait a moment.',
  })

  app.get(
    '/api/credits',
    {
      onRequest,
      schema: {
        ...shared,
        summary: 'What the organization has, what it burns per hour and how long that lasts',
        response: { 200: creditsSchema, ...errorResponses(401, 404) },
      },
    },
    async ({ principal }) => balanceBody(await deps.balances.get(principal), deps.paymentsPossible()),
  )

  app.get(
    '/api/credits/ledger',
    {
      onRequest,
      schema: {
        ...shared,
        summary: 'Statement of the organization’s credits, the newest first; for owners and admins',
        querystring: entriesQuerySchema,
        response: { 200: entriesSchema, ...errorResponses(400, 401, 404, 429) },
      },
    },
    async ({ principal, query: { cursor, limit, ...filter } }) => {
      await limitPages(principal.userId)
      const page = await deps.statements.page(principal, filterOf(filter), { cursor, limit })
      return { entries: page.entries.map(entryBody), cursor: page.cursor }
    },
  )

  app.get(
    '/api/credits/ledger.csv',
    {
      onRequest,
      schema: {
        ...shared,
        summary: 'The same as CSV, whole, the oldest first',
        produces: ['text/csv'],
        querystring: statementQuerySchema,
        response: {
          200: z.string().describe('CSV with a header row, times in ISO 8601 and amounts in credits.'),
          ...errorResponses(400, 401, 404, 429),
        },
      },
    },
    async ({ principal, query }, reply) => {
      await limitExports(principal.userId)
      const entries = await deps.statements.all(principal, filterOf(query))
      reply.type('text/csv; charset=utf-8')
      reply.header('content-disposition', 'attachment; filename="reef-credits.csv"')
      // Fastify sends a stream as it is; the schema describes what comes out of it.
      return reply.send(csvStream(csvHeader, csvRows(entries)) as unknown as string)
    },
  )
}

function filterOf(query: z.output<typeof statementQuerySchema>): StatementFilter {
  return { ...query, holds: query.holds === 'true' }
}

function balanceBody(balance: Balance, paymentsPossible: boolean): z.infer<typeof creditsSchema> {
  return {
    availableMicros: balance.available,
    reservedMicros: balance.reserved,
    spentMicros: balance.spent,
    frozenMicros: balance.frozen,
    refundedMicros: balance.refunded,
    grantedMicros: balance.granted,
    purchasedMicros: balance.purchased,
    writtenOffMicros: balance.written_off,
    burnMicrosPerHour: balance.burnPerHour,
    lastsUntil: balance.lastsUntil?.toISOString() ?? null,
    hold: balance.hold,
    paymentsPossible,
  }
}

function entryBody(entry: Entry): z.infer<typeof entrySchema> {
  return {
    sequence: entry.sequence,
    at: entry.at.toISOString(),
    kind: entry.kind,
    amountMicros: entry.amount,
    heldMicros: entry.held,
    writtenOffMicros: entry.writtenOff,
    balanceMicros: entry.balance,
    note: entry.note,
    reference: entry.reference,
    key: entry.key,
    actorUserId: entry.actorUserId,
  }
}

const csvHeader = [
  ...[
    'time',
    'kind',
    'credits',
    'balance',
    'held',
    'written_off',
    'note',
    'reference',
    'key',
    'actor_user_id',
  ],
  'sequence',
]

async function* csvRows(entries: AsyncIterable<Entry>): AsyncIterable<Cell[]> {
  for await (const entry of entries)
    yield [
      entry.at.toISOString(),
      entry.kind,
      decimalCredits(entry.amount),
      entry.balance === null ? null : decimalCredits(entry.balance),
      decimalCredits(entry.held),
      decimalCredits(entry.writtenOff),
      entry.note,
      entry.reference,
      entry.key,
      entry.actorUserId,
      entry.sequence,
    ]
}
