import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Clock } from '../clock.ts'
import type { ModelCaller, ModelCallers } from '../domain/instances/target.ts'
import type { Meter, ModelProtocol } from '../domain/usage/meter.ts'
import { ReefError, unauthenticated } from '../errors.ts'
import { statusOfKind, toReefError } from '../http/errors.ts'
import type { Server } from '../http/server.ts'
import { limitUnreadBodies } from '../http/unread-bodies.ts'
import type { RootSecret } from '../secrets.ts'
import { modelKeys } from '../slot-key.ts'
import { type CatalogueModel, findModel, type ModelCatalogue } from './catalogue.ts'
import { createDrain } from './drain.ts'
import { handleModelCall } from './exchange.ts'
import type { Provider } from './provider.ts'
import { createSeenPrompts } from './seen-prompts.ts'
import { errorBodyOf, type Surface } from './surface.ts'

export interface ModelGatewayDeps {
  secret: RootSecret
  callers: ModelCallers
  catalogue: ModelCatalogue
  providers: readonly Provider[]
  meter: Meter
  clock: Clock
  /** How long answers may go on when the control plane stops, before they are ended. Default 5. */
  drainSeconds?: number
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Set on every route of the model gateway before its body is read. */
    modelCaller: ModelCaller
  }
}

/** Conversations with pictures are large; OpenClaw sends the whole conversation each time. */
const bodyBytesMax = 32 * 1024 * 1024

const protocolPaths: Record<ModelProtocol, string> = {
  chat_completions: '/models/v1/chat/completions',
  responses: '/models/v1/responses',
  messages: '/models/anthropic/v1/messages',
}

/**
 * The endpoint that all instances call for models. It takes instance keys and nothing else, answers in the shape that
 * the client of each protocol expects, and is not part of the API that people use.
 */
export async function registerModelGateway(app: Server, deps: ModelGatewayDeps): Promise<void> {
  const drain = createDrain(app, deps.drainSeconds ?? 5)
  const exchangeDeps = { meter: deps.meter, clock: deps.clock, drain, seenPrompts: createSeenPrompts() }
  await app.register(async (scope) => {
    // The gateway parses bodies itself: it passes on what it does not know, whatever the keys are called.
    scope.removeAllContentTypeParsers()
    scope.addContentTypeParser('*', { parseAs: 'buffer', bodyLimit: bodyBytesMax }, (_request, body, done) =>
      done(null, body),
    )
    scope.decorateRequest('modelCaller', null as unknown as ModelCaller)
    scope.setErrorHandler(handleGatewayError)
    scope.addHook('onRequest', async (request) => {
      request.modelCaller = await authenticate(deps, request)
    })
    // A key alone lets nobody fill the memory: what it costs is only asked once the body is there.
    limitUnreadBodies(scope, (request) => request.modelCaller.slotId)

    for (const [protocol, path] of Object.entries(protocolPaths) as [ModelProtocol, string][])
      scope.post(path, { schema: { hide: true }, bodyLimit: bodyBytesMax }, async (request, reply) => {
        const body = parseBody(request.body)
        const { caller, model } = await chooseModel(deps, request.modelCaller, body.model)
        const provider = providerFor(deps.providers, model, protocol)
        const bodyBytes = Buffer.isBuffer(request.body) ? request.body.length : 0
        const call = { request, reply, caller, model, provider, protocol, body, bodyBytes }
        drain.watch(reply)
        await handleModelCall(exchangeDeps, call)
        return reply
      })

    scope.get('/models/v1/models', { schema: { hide: true } }, async (request) => ({
      object: 'list',
      data: mayUse(deps.catalogue, request.modelCaller).map(listed),
    }))
    // Ids hold a slash, which clients may or may not encode.
    scope.get('/models/v1/models/*', { schema: { hide: true } }, async (request) => {
      const named = (request.params as { '*': string })['*']
      const offered = mayUse(deps.catalogue, request.modelCaller)
      const model = findModel(offered, named)
      if (!model) throw unknownModel(named, offered)
      return listed(model)
    })
  })
}

async function authenticate(deps: ModelGatewayDeps, request: FastifyRequest): Promise<ModelCaller> {
  const { authorization } = request.headers
  const bearer = /^Bearer +(\S+)$/i.exec(authorization ?? '')?.[1]
  const apiKey = request.headers['x-api-key']
  const slotId = modelKeys.verify(deps.secret, bearer ?? (typeof apiKey === 'string' ? apiKey : ''))
  const caller = slotId === undefined ? undefined : await deps.callers.findBySlot(slotId)
  if (!caller)
    throw unauthenticated(
      'invalid_api_key',
      'The model gateway takes only the key of a live instance (rmk_...). People and API keys use /v1 on the proxy.',
    )
  return caller
}

function parseBody(body: unknown): Record<string, unknown> {
  let parsed: unknown
  try {
    parsed = JSON.parse(Buffer.isBuffer(body) ? body.toString() : '')
  } catch (cause) {
    throw new ReefError('invalid', {
      code: 'malformed_json',
      message: 'The body is not valid JSON. Send a JSON object.',
      cause,
    })
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed))
    throw new ReefError('invalid', { code: 'malformed_json', message: 'The body is not a JSON object.' })
  return parsed as Record<string, unknown>
}

/** A slot in the pool belongs to nobody who could pay, so it may use the built-in model only. */
function mayUse(catalogue: ModelCatalogue, caller: ModelCaller): CatalogueModel[] {
  if (caller.organizationId !== null) return catalogue.offered
  return catalogue.offered.filter((model) => model.id === catalogue.warmup)
}

/** What a caller knows of itself may be a second old, and its slot may have been claimed in that second. */
const claimMillisecondsMax = 1500

async function chooseModel(deps: ModelGatewayDeps, known: ModelCaller, named: unknown) {
  if (typeof named !== 'string' || named === '')
    throw new ReefError('invalid', {
      code: 'model_missing',
      message: 'Name a model: "model": "PROVIDER/MODEL".',
      field: 'model',
    })
  let caller = known
  let model = findModel(mayUse(deps.catalogue, caller), named)
  const until = Date.now() + claimMillisecondsMax
  while (!model && findModel(deps.catalogue.offered, named) && Date.now() < until) {
    await new Promise((resolve) => setTimeout(resolve, 100))
    caller = (await deps.callers.findBySlot(caller.slotId)) ?? caller
    model = findModel(mayUse(deps.catalogue, caller), named)
  }
  if (!model) throw unknownModel(named, mayUse(deps.catalogue, caller))
  return { caller, model }
}

function unknownModel(named: string, offered: CatalogueModel[]): ReefError {
  const ids = offered.map((model) => model.id).join(', ')
  return new ReefError('notFound', {
    code: 'model_not_found',
    message: `There is no model ${JSON.stringify(named.slice(0, 100))} here. Available: ${ids}.`,
    field: 'model',
  })
}

function providerFor(
  providers: readonly Provider[],
  model: CatalogueModel,
  protocol: ModelProtocol,
): Provider {
  const provider = providers.find((candidate) => candidate.name === model.provider)
  if (!provider)
    throw new ReefError('internal', {
      code: 'provider_missing',
      message: 'Reef offers a model without its provider. Please report it.',
      internal: `no provider for ${model.id}`,
    })
  if (!provider.serves(protocol)) {
    const paths = (Object.keys(protocolPaths) as ModelProtocol[])
      .filter((other) => provider.serves(other))
      .map((other) => protocolPaths[other])
    throw new ReefError('invalid', {
      code: 'protocol_unsupported',
      message: `${model.id} does not answer here. Use ${paths.join(' or ')}.`,
      field: 'model',
    })
  }
  return provider
}

function listed(model: CatalogueModel) {
  return { id: model.id, object: 'model', created: 0, owned_by: model.provider }
}

function handleGatewayError(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
  const known = toReefError(error)
  const status = statusOfKind[known.kind]
  if (status >= 500)
    request.log.error({ code: known.code, internal: known.internal, err: known }, 'model call')
  else request.log.debug({ code: known.code }, 'model call refused')
  if (known.retryAfterSeconds !== undefined) reply.header('retry-after', Math.ceil(known.retryAfterSeconds))
  const surface: Surface = request.url.startsWith('/models/anthropic/') ? 'anthropic' : 'openai'
  reply.status(status).send(errorBodyOf(surface, known))
}
