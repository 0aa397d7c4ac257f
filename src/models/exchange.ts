import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Clock } from '../clock.ts'
import type { ModelCaller } from '../domain/instances/target.ts'
import {
  type AdmittedCall,
  callSecondsMax,
  type Meter,
  type ModelCallEnd,
  type ModelProtocol,
} from '../domain/usage/meter.ts'
import { ReefError } from '../errors.ts'
import { newId } from '../ids.ts'
import { type RequestBounds, withinBounds } from './bounds.ts'
import { boundsOfCall } from './call-bounds.ts'
import type { CatalogueModel } from './catalogue.ts'
import { type Counted, usageOfAnswer } from './counted-usage.ts'
import type { Drain } from './drain.ts'
import { assertMeterable } from './meterable.ts'
import type { Provider, ProviderAnswer } from './provider.ts'
import { readBody, relayStream } from './relay.ts'
import type { SeenPrompt, SeenPrompts } from './seen-prompts.ts'
import { errorBodyOfStatus } from './surface.ts'
import { codeOf, readAnswer } from './usage.ts'

export interface ExchangeDeps {
  meter: Meter
  clock: Clock
  drain: Drain
  seenPrompts: SeenPrompts
}

/** Why the gateway itself ended a call: the reason of its signal, and the code in its record. */
type StopReason = 'client_gone' | 'call_too_long' | 'control_plane_stopped'

export interface Exchange {
  request: FastifyRequest
  reply: FastifyReply
  caller: ModelCaller
  model: CatalogueModel
  provider: Provider
  protocol: ModelProtocol
  body: Record<string, unknown>
  /** How long the body was as it came. */
  bodyBytes: number
}

type End = Omit<ModelCallEnd, 'firstByteAt' | 'finishedAt'>

/** A call that has been admitted, and how it is stopped. */
interface OpenExchange extends Exchange {
  bounds: RequestBounds
  prompt: SeenPrompt | undefined
  /** What it may write, all answers together. */
  outputTokensMax: number
  signal: AbortSignal
  onFirstByte: () => void
  settle: (end: End) => void
}

const answerBytesMax = 64 * 1024 * 1024
const errorBytesMax = 64 * 1024
/** For an answer whose usage nobody tells. */
const charactersPerToken = 4

/** One model call from admission to settlement. It is settled exactly once, whatever happens. */
export async function handleModelCall(deps: ExchangeDeps, exchange: Exchange): Promise<void> {
  assertMeterable(exchange.body, exchange.protocol)
  const { bounds, prompt } = boundsOfCall(deps.seenPrompts, {
    ...exchange,
    organizationId: exchange.caller.organizationId,
    variant: JSON.stringify(exchange.protocol === 'messages' ? anthropicHeaders(exchange.request) : {}),
  })
  const admitted = await admit(deps.meter, exchange, bounds)
  const controller = new AbortController()
  const stop = (reason: StopReason): void => controller.abort(reason)
  const limit = setTimeout(() => stop('call_too_long'), callSecondsMax * 1000)
  const onStopping = (): void => stop('control_plane_stopped')
  deps.drain.stopping.addEventListener('abort', onStopping)
  const response = exchange.reply.raw
  response.once('close', () => stop('client_gone'))
  // Either may have happened while the call was being admitted.
  if (response.destroyed) stop('client_gone')
  else if (deps.drain.stopping.aborted) onStopping()
  let firstByteAt: Date | null = null
  const open: OpenExchange = {
    ...exchange,
    bounds,
    prompt,
    outputTokensMax: admitted.outputTokensMax,
    signal: controller.signal,
    onFirstByte: () => {
      firstByteAt ??= deps.clock.now()
    },
    settle: (end) => deps.drain.keep(admitted.settle({ ...end, firstByteAt, finishedAt: deps.clock.now() })),
  }
  try {
    const answer = await callProvider(open)
    if (answer.status >= 300) await sendError(open, answer)
    else if (answer.contentType.startsWith('text/event-stream')) await sendStream(open, answer)
    else await sendWhole(open, answer)
  } catch (error) {
    if (!response.destroyed) throw error
    // Nobody is there to be told.
    exchange.reply.hijack()
  } finally {
    clearTimeout(limit)
    deps.drain.stopping.removeEventListener('abort', onStopping)
  }
}

async function admit(meter: Meter, exchange: Exchange, bounds: RequestBounds): Promise<AdmittedCall> {
  const { caller, model, protocol, body } = exchange
  const admission = await meter.begin({
    id: newId(),
    slotId: caller.slotId,
    organizationId: caller.organizationId,
    userId: caller.userId,
    instanceId: caller.instanceId,
    sessionId: caller.sessionId,
    // Teams of agents and their tasks do not exist yet.
    agentId: null,
    taskId: null,
    provider: model.provider,
    model: model.model,
    protocol,
    streamed: body.stream === true,
    inputTokensMax: bounds.inputTokensMax,
    outputTokensMax: bounds.outputTokensMax,
  })
  if (admission.admitted) return admission
  const { kind, code, message, retryAfterSeconds } = admission
  throw new ReefError(kind, { code, message, ...(retryAfterSeconds ? { retryAfterSeconds } : {}) })
}

async function callProvider(open: OpenExchange): Promise<ProviderAnswer> {
  const nothing: Counted = { usage: null, estimated: false }
  let sent = false
  try {
    return await open.provider.call({
      protocol: open.protocol,
      body: providerBody(open),
      headers: open.protocol === 'messages' ? anthropicHeaders(open.request) : {},
      signal: open.signal,
      onSent: () => {
        sent = true
      },
    })
  } catch (error) {
    if (open.signal.aborted) settleUnanswered(open, null, sent)
    else open.settle({ outcome: 'failed', httpStatus: 502, errorCode: 'provider_unreachable', ...nothing })
    throw error
  }
}

/** A call that was cut before any of its answer was there: the model has read what was sent. */
function settleUnanswered(open: OpenExchange, httpStatus: number | null, sent = true): void {
  const errorCode = cutCode(open)
  const charged = errorCode !== 'provider_cut' && errorCode !== 'control_plane_stopped' && sent
  const counted: Counted = charged ? usageOfAnswer(open, null, 0) : { usage: null, estimated: false }
  open.settle({ outcome: 'cancelled', httpStatus, errorCode, ...counted })
}

/**
 * What the client sent, within what was admitted, with the provider's own name of the model, and with the usage asked for in
 * streams.
 */
function providerBody({ body, model, protocol, bounds, outputTokensMax }: OpenExchange) {
  const within = withinBounds(body, protocol, model, { answers: bounds.answers, outputTokensMax })
  const named: Record<string, unknown> = { ...within, model: model.model }
  if (protocol !== 'chat_completions' || body.stream !== true) return named
  return { ...named, stream_options: { ...streamOptions(body), include_usage: true } }
}

function streamOptions(body: Record<string, unknown>): Record<string, unknown> {
  const options = body.stream_options
  return typeof options === 'object' && options !== null ? (options as Record<string, unknown>) : {}
}

function anthropicHeaders(request: FastifyRequest): Record<string, string> {
  const version = request.headers['anthropic-version']
  const beta = request.headers['anthropic-beta']
  return {
    'anthropic-version': typeof version === 'string' ? version : '2023-06-01',
    ...(typeof beta === 'string' ? { 'anthropic-beta': beta } : {}),
  }
}

async function sendStream(open: OpenExchange, answer: ProviderAnswer): Promise<void> {
  writeHead(open.reply, answer.status, { 'content-type': answer.contentType, 'cache-control': 'no-store' })
  open.reply.raw.flushHeaders()
  const { reading, cut, relayedTokens } = await relayStream(open.reply.raw, {
    provider: open.provider,
    answer,
    protocol: open.protocol,
    keepUsage: streamOptions(open.body).include_usage === true,
    signal: open.signal,
    onFirstByte: open.onFirstByte,
  })
  const { errorCode } = reading
  const httpStatus = answer.status
  const counted = usageOfAnswer(open, reading, relayedTokens)
  if (cut) open.settle({ outcome: 'cancelled', httpStatus, errorCode: cutCode(open), ...counted })
  else if (errorCode)
    open.settle({ outcome: 'failed', httpStatus, errorCode, usage: reading.usage, estimated: false })
  else succeed(open, httpStatus, counted)
}

function succeed(open: OpenExchange, httpStatus: number, counted: Counted): void {
  open.settle({ outcome: 'succeeded', httpStatus, errorCode: null, ...counted })
  const inputTokens = counted.usage?.inputTokens ?? null
  // What was sent was not quite what is known by this name: see `withinBounds`.
  const changed = open.outputTokensMax < open.bounds.outputTokensMax && open.body.thinking != null
  if (open.prompt === undefined || counted.estimated || inputTokens === null || changed) return
  if (!open.prompt.learn(inputTokens))
    open.request.log.warn(
      { model: open.model.id, inputTokens, inputTokensMax: open.bounds.inputTokensMax },
      'a provider reported more input than its earlier reports allow: they are not used for this model any more',
    )
}

async function sendWhole(open: OpenExchange, answer: ProviderAnswer): Promise<void> {
  open.onFirstByte()
  const bytes = await readBody(answer.body, answerBytesMax)
  if (!bytes) {
    settleUnanswered(open, answer.status)
    throw new ReefError('upstream', {
      code: 'provider_cut',
      message: `The provider ${open.provider.name} broke off its answer. Try again.`,
    })
  }
  const text = bytes.toString()
  const reading = readAnswer(open.protocol, text)
  const { errorCode } = reading
  const body = open.provider.leaks(bytes) ? Buffer.from(open.provider.scrub(text)) : bytes
  writeHead(open.reply, answer.status, {
    'content-type': answer.contentType,
    'content-length': String(body.length),
  })
  open.reply.raw.end(body)
  const httpStatus = answer.status
  if (errorCode === null) {
    const counted = usageOfAnswer(open, reading, Math.ceil(text.length / charactersPerToken))
    succeed(open, httpStatus, counted)
  } else open.settle({ outcome: 'failed', httpStatus, errorCode, usage: reading.usage, estimated: false })
}

/** Who broke off an answer: the gateway for a reason of its own, or else the provider. */
function cutCode({ signal }: Pick<OpenExchange, 'signal'>): string {
  return signal.aborted ? (signal.reason as StopReason) : 'provider_cut'
}

/** The provider's refusal, in its own shape and with its status, without anything of the operator's account. */
async function sendError(open: OpenExchange, answer: ProviderAnswer): Promise<void> {
  const surface = open.protocol === 'messages' ? 'anthropic' : 'openai'
  const text = (await readBody(answer.body, errorBytesMax))?.toString() ?? ''
  const error = providerError(text)
  const status = answer.status >= 400 ? answer.status : 502
  const errorCode = error ? codeOf(error) : 'provider_error'
  open.settle({ outcome: 'failed', httpStatus: status, errorCode, usage: null, estimated: false })
  let body: string
  if (status === 401 || status === 403)
    // The client's key is fine: it is the operator's that was refused, and its text says too much about it.
    body = JSON.stringify(
      errorBodyOfStatus(
        surface,
        status,
        'provider_refused_key',
        `The provider ${open.provider.name} refused Reef's own key. Whoever runs Reef has to check it.`,
      ),
    )
  else if (error) body = open.provider.scrub(text)
  else
    body = JSON.stringify(
      errorBodyOfStatus(
        surface,
        status,
        'provider_error',
        `The provider ${open.provider.name} answered ${answer.status} without saying why. Try again.`,
      ),
    )
  writeHead(open.reply, status, {
    'content-type': 'application/json',
    'content-length': String(Buffer.byteLength(body)),
    ...(answer.retryAfter ? { 'retry-after': answer.retryAfter } : {}),
  })
  open.reply.raw.end(body)
}

/** The `error` of an error body, where there is one. */
function providerError(text: string): Record<string, unknown> | undefined {
  try {
    const { error } = JSON.parse(text) as { error?: unknown }
    return typeof error === 'object' && error !== null ? (error as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}

/** The answer is written past Fastify, so the headers that its hooks have set go along here. */
function writeHead(reply: FastifyReply, status: number, headers: Record<string, string>): void {
  const set = Object.entries(reply.getHeaders()).filter(([, value]) => value !== undefined)
  reply.hijack()
  reply.raw.writeHead(status, { ...(Object.fromEntries(set) as Record<string, string>), ...headers })
}
