import type { ModelProtocol } from '../domain/usage/meter.ts'
import { invalid } from '../errors.ts'
import { withUsualCaching } from './caching.ts'
import type { CatalogueModel } from './catalogue.ts'

type Json = Record<string, unknown>

/** How much a request can make a model read and write. */
export interface RequestBounds {
  /** No tokenizer makes more of it. */
  inputTokensMax: number
  /** All answers together. */
  outputTokensMax: number
  /** How many answers were asked for. */
  answers: number
  /** What the input probably is, for a call whose usage nobody tells. */
  inputTokensEstimate: number
  /** Not all of the input is in the body. */
  readsElsewhere: boolean
}

/** No provider makes more of one picture, however large. */
export const imageTokensMax = 10_000
/** What providers put around the request: roles, and their own words on how to use tools. */
const frameTokensMax = 1000
const bytesPerToken = 4

/**
 * A token of text is at least one byte, so the body's length bounds the text. Pictures are long in bytes and short in
 * tokens: they count by number. What stands for something that is not in the body, like a file's id or an earlier answer,
 * can be anything up to what the model can read at once.
 */
export function boundsOfRequest(body: Json, bodyBytes: number, model: CatalogueModel): RequestBounds {
  // Messages and input both, whichever of them this server reads.
  const found = inspectContents([body.messages, body.input, body.system])
  const inBody = tokensMaxOf(bodyBytes, found) + frameTokensMax
  const elsewhere = found.unbounded || readsElsewhere(body)
  const answers = answersOf(body)
  return {
    inputTokensMax: elsewhere ? Math.max(inBody, model.contextTokensMax) : inBody,
    outputTokensMax: answers * (outputLimitOf(body) ?? model.outputTokensMax),
    answers,
    inputTokensEstimate: Math.ceil((bodyBytes - found.imageBytes) / bytesPerToken),
    readsElsewhere: elsewhere,
  }
}

/** The most that so many bytes come to, with what was found in them. */
export function tokensMaxOf(bytes: number, { images, imageBytes }: FoundContents): number {
  return bytes - imageBytes + images * imageTokensMax
}

/** Fields that name the most an answer may have, by what servers prefer. */
const outputLimits = ['max_completion_tokens', 'max_output_tokens', 'max_tokens'] as const

/** More than any model writes, and little enough that what it costs at any price is counted exactly. */
const limitMax = 10_000_000

function outputLimitOf(body: Json): number | undefined {
  for (const name of outputLimits) {
    const value = body[name]
    if (value === undefined || value === null) continue
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 1 || value > limitMax)
      throw invalid(name, `"${name}" has to be a whole number of tokens, 1 to ${limitMax}.`)
    return value
  }
  return undefined
}

const answersMax = 128

function answersOf({ n }: Json): number {
  if (n === undefined || n === null) return 1
  if (typeof n !== 'number' || !Number.isSafeInteger(n) || n < 1 || n > answersMax)
    throw invalid('n', `"n" has to be a whole number from 1 to ${answersMax}.`)
  return n
}

/** State at the provider: what it adds to the input is not in the body. */
function readsElsewhere(body: Json): boolean {
  return ['previous_response_id', 'conversation', 'prompt', 'container'].some((name) => body[name] != null)
}

/**
 * What the provider gets: nothing that would change the price of a token, and no more output than was admitted.
 */
export function withinBounds(
  body: Json,
  protocol: ModelProtocol,
  model: CatalogueModel,
  { answers, outputTokensMax }: { answers: number; outputTokensMax: number },
): Json {
  // Faster or dearer machines, and data kept in one region, for a surcharge.
  const { service_tier: _tier, speed: _speed, inference_geo: _geo, ...rest } = body
  if (protocol === 'messages') Object.assign(rest, withUsualCaching(rest))
  const perAnswer = Math.max(1, Math.floor(outputTokensMax / answers))
  const limits = limitNames(rest, protocol, model)
  for (const name of limits) rest[name] = Math.min(perAnswer, numberOr(rest[name], perAnswer))
  const limit = outputLimitOf(body)
  // A client may let a model think for longer than it may answer, but not for longer than there is money.
  if (limit === undefined || perAnswer >= limit) return rest
  const thinking = thinkingWithin(rest.thinking, perAnswer)
  return thinking === undefined ? rest : { ...rest, thinking }
}

/** Those that the client set, or the one that this server knows. */
function limitNames(body: Json, protocol: ModelProtocol, model: CatalogueModel): string[] {
  const set = outputLimits.filter((name) => body[name] != null)
  if (set.length > 0) return set
  if (protocol === 'responses') return ['max_output_tokens']
  // OpenAI's own newer models refuse the older name, and many other servers do not know the newer one.
  if (protocol === 'chat_completions' && model.api === 'openai-responses') return ['max_completion_tokens']
  return ['max_tokens']
}

/** Anthropic refuses a thinking budget of less than this, and one that leaves no room for an answer. */
const thinkingTokensMin = 1024

function thinkingWithin(thinking: unknown, outputTokensMax: number): Json | undefined {
  if (typeof thinking !== 'object' || thinking === null) return undefined
  const budget = (thinking as Json).budget_tokens
  if (typeof budget !== 'number' || budget < outputTokensMax) return undefined
  const room = Math.floor(outputTokensMax * 0.8)
  return room < thinkingTokensMin ? { type: 'disabled' } : { ...(thinking as Json), budget_tokens: room }
}

function numberOr(value: unknown, otherwise: number): number {
  return typeof value === 'number' ? value : otherwise
}

export interface FoundContents {
  imageBytes: number
  images: number
  /** Of the pictures, those that only an address is there of. */
  imagesByAddress: number
  unbounded: boolean
}

/** Bodies nest a handful of levels where contents are; what is deeper is text to us. */
const depthMax = 8

/** Looks through contents for what is not text. */
export function inspectContents(value: unknown): FoundContents {
  const found = { imageBytes: 0, images: 0, imagesByAddress: 0, unbounded: false }
  search(value, found, 0)
  return found
}

function search(value: unknown, found: FoundContents, depth: number): void {
  if (depth > depthMax || typeof value !== 'object' || value === null) return
  if (Array.isArray(value)) {
    for (const item of value) search(item, found, depth + 1)
    return
  }
  const part = value as Json
  switch (part.type) {
    case 'image_url':
    case 'input_image':
    case 'image': {
      const bytes = imageBytesOf(part)
      found.images += 1
      found.imageBytes += bytes
      if (bytes === 0) found.imagesByAddress += 1
      return
    }
    case 'document':
    case 'file':
    case 'input_file':
    case 'video_url':
    case 'audio_url':
    case 'container_upload':
    case 'item_reference':
      // Compressed or elsewhere: a small file can hold any amount of text.
      found.unbounded = true
      return
    default:
      if ('content' in part) search(part.content, found, depth + 1)
      if ('output' in part) search(part.output, found, depth + 1)
  }
}

/** Of a picture that lies in the body as base64; 0 for one that only its address is there of. */
function imageBytesOf(part: Json): number {
  const { image_url: url, source } = part
  const address = typeof url === 'object' && url !== null ? (url as Json).url : url
  if (typeof address === 'string' && address.startsWith('data:image/')) return address.length
  if (typeof source !== 'object' || source === null || (source as Json).type !== 'base64') return 0
  const { data } = source as Json
  return typeof data === 'string' ? data.length : 0
}
