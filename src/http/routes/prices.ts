import type { z } from 'zod'
import { type Authenticator, requireScope } from '../../domain/accounts/principal.ts'
import type { PriceService, PriceVersion } from '../../domain/credits/price-service.ts'
import type { Operators } from '../../domain/operators/operators.ts'
import { errorResponses } from '../schemas/errors.ts'
import {
  currentPricesSchema,
  type priceVersionSchema,
  priceVersionsSchema,
  publishPricesBodySchema,
} from '../schemas/prices.ts'
import { bearerSecurity, requirePrincipal, type Server } from '../server.ts'

export interface PriceRouteDeps {
  authenticator: Authenticator
  operators: Operators
  prices: PriceService
  /** Models that instances are offered and that have no price. */
  unpricedModels(): Promise<string[]>
}

/** Everybody signed in may know what things cost; operators decide it. */
export function registerPriceRoutes(app: Server, deps: PriceRouteDeps): void {
  const { operators, prices } = deps
  const onRequest = requirePrincipal(deps.authenticator)

  app.get(
    '/api/credits/prices',
    {
      onRequest,
      schema: {
        tags: ['credits'],
        security: bearerSecurity,
        summary: 'What models and machines cost now',
        response: { 200: currentPricesSchema, ...errorResponses(401, 404) },
      },
    },
    async ({ principal }) => {
      requireScope(principal, 'credits:read')
      const { version, list } = await prices.current()
      return { version, prices: list }
    },
  )

  const versions = async (): Promise<z.infer<typeof priceVersionsSchema>> => {
    const [current, all, unpricedModels] = await Promise.all([
      prices.current(),
      prices.list(),
      deps.unpricedModels(),
    ])
    return { currentVersion: current.version, versions: all.map(versionBody), unpricedModels }
  }

  app.get(
    '/api/admin/prices',
    {
      onRequest,
      schema: {
        tags: ['admin'],
        security: bearerSecurity,
        summary: 'All price lists: now, to come and past',
        response: { 200: priceVersionsSchema, ...errorResponses(401, 404) },
      },
    },
    async ({ principal }) => {
      await operators.requireOperator(principal)
      return versions()
    },
  )

  app.post(
    '/api/admin/prices',
    {
      onRequest,
      schema: {
        tags: ['admin'],
        security: bearerSecurity,
        summary: 'Publish a price list, which is never changed afterwards',
        body: publishPricesBodySchema,
        response: { 200: priceVersionsSchema, ...errorResponses(400, 401, 404) },
      },
    },
    async ({ principal, body }) => {
      await operators.requireOperator(principal)
      const effectiveFrom = body.effectiveFrom === undefined ? null : new Date(body.effectiveFrom)
      await prices.publish(principal, body.prices, effectiveFrom)
      return versions()
    },
  )
}

function versionBody(version: PriceVersion): z.infer<typeof priceVersionSchema> {
  const { list, effectiveFrom, createdAt, ...rest } = version
  return {
    ...rest,
    prices: list,
    effectiveFrom: effectiveFrom.toISOString(),
    createdAt: createdAt.toISOString(),
  }
}
