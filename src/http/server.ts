import type { IncomingMessage, ServerResponse } from 'node:http'
import cookie from '@fastify/cookie'
import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import Fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  LogController,
  type RawServerDefault,
} from 'fastify'
import {
  createJsonSchemaTransform,
  createJsonSchemaTransformObject,
  serializerCompiler,
  validatorCompiler,
  type ZodTypeProvider,
} from 'fastify-type-provider-zod'
import type { Authenticator, Principal } from '../domain/accounts/principal.ts'
import { notFound } from '../errors.ts'
import { createFronts, type Fronts } from '../fronts.ts'
import { newId } from '../ids.ts'
import { randomToken } from '../secrets.ts'
import type { Logger } from '../telemetry/log.ts'
import { errorBody, handleError } from './errors.ts'
import { believeFronts } from './forwarded.ts'
import { organizationHeader } from './schemas/common.ts'

export type Server = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  ZodTypeProvider
>

declare module 'fastify' {
  interface FastifyRequest {
    /** Set by `requirePrincipal`; reading it on a route without that hook throws. */
    principal: Principal
  }
}

export interface ServerOptions {
  log: Logger
  version: string
  /** Reverse proxies whose word on the client's address is believed; none without it. */
  fronts?: Fronts
}

/** Bodies of the API are small; routes that take more say so themselves. */
const bodyBytesMax = 256 * 1024

export async function createServer(options: ServerOptions): Promise<Server> {
  const fronts = options.fronts ?? createFronts({ token: randomToken(), trusted: [] })
  const app = Fastify({
    loggerInstance: options.log as FastifyBaseLogger,
    bodyLimit: bodyBytesMax,
    // Slow clients may not hold a connection without finishing their request.
    requestTimeout: 30_000,
    // What is left of X-Forwarded-For once `believeFronts` has run can be trusted, whoever sent it.
    trustProxy: true,
    // The one place that sees each request before Fastify reads its headers.
    rewriteUrl: (request) => {
      believeFronts(request as IncomingMessage, fronts)
      return request.url as string
    },
    genReqId: () => newId(),
    requestIdHeader: false,
    // Requests are counted in metrics; only what goes wrong is logged.
    logController: new LogController({ disableRequestLogging: true }),
  }).withTypeProvider<ZodTypeProvider>()
  app.setValidatorCompiler(validatorCompiler)
  app.setSerializerCompiler(serializerCompiler)
  app.setErrorHandler(handleError)
  app.setNotFoundHandler((_request, reply) => {
    reply.status(404).send(errorBody(notFound()))
  })
  app.addHook('onRequest', async (request, reply) => {
    reply.header('x-request-id', request.id)
    reply.header('x-content-type-options', 'nosniff')
  })
  app.decorateRequest('principal', null as unknown as Principal)
  await app.register(cookie)
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Reef',
        version: options.version,
        description: 'Hosting of isolated OpenClaw gateways. Every error has the shape of the schema Error.',
      },
      components: {
        securitySchemes: {
          bearer: {
            type: 'http',
            scheme: 'bearer',
            description: 'An access token from /api/auth/log-in or an API key (oc_...).',
          },
        },
      },
    },
    transform: createJsonSchemaTransform({ skipList: ['/openapi.json'] }),
    transformObject: createJsonSchemaTransformObject({}),
  })
  await app.register(swaggerUi, { routePrefix: '/docs' })
  app.get('/openapi.json', { schema: { hide: true } }, async () => app.swagger())
  return app
}

/** `onRequest` hook of every route that needs a caller; its routes carry `security: bearer` in the OpenAPI document. */
export function requirePrincipal(authenticator: Authenticator) {
  return async (request: {
    headers: Record<string, string | string[] | undefined>
    principal: Principal
  }) => {
    const organizationId = request.headers[organizationHeader]
    request.principal = await authenticator.authenticate({
      authorization: request.headers.authorization as string | undefined,
      organizationId: typeof organizationId === 'string' ? organizationId : undefined,
    })
  }
}

export const bearerSecurity = [{ bearer: [] }]
