import { hash } from 'node:crypto'
import type { ModelProtocol } from '../domain/usage/meter.ts'
import { sumOf } from '../sum.ts'
import { type PromptPart, partsOfPrompt } from './prompt-parts.ts'

/** Whose prompt it is and what reads it: what is known of one says nothing about another. */
export interface PromptReader {
  organizationId: string
  /** PROVIDER/MODEL. */
  modelId: string
  protocol: ModelProtocol
  /** Other settings of the reading that are not in the body. */
  variant?: string | undefined
}

export interface SeenPrompt {
  /** How much of it is sent on: JSON may be written more tightly than it was read. */
  readonly bytes: number
  /** No provider makes more of it that counts as it did before; undefined while nothing is known. */
  readonly inputTokensMax: number | undefined
  /**
   * What the provider reported, all kinds of input together. Answers false when that is more than it may be by what was
   * reported before: then nothing of that model is believed any more.
   */
  learn(inputTokens: number): boolean
}

/**
 * What providers have reported for prompts bounds later prompts that begin with the same parts: a longer prompt has no fewer
 * tokens, and what is added has at most one for each byte. Kept in memory and bounded in number; whoever forgets or starts
 * anew bounds more widely, never too narrowly.
 */
export interface SeenPrompts {
  /** Undefined for prompts that nothing can be learned of. */
  find(body: Record<string, unknown>, reader: PromptReader): SeenPrompt | undefined
}

export interface SeenPromptsOptions {
  entriesMax?: number
}

/** Merges where two parts meet, and words of the provider's own that come with a part. */
const seamTokensMax = 200
/**
 * A token of text that somebody wrote is seldom longer than this. A provider that reports less has not counted all of the prompt,
 * for example not what it had in its cache.
 */
const bytesPerTokenMax = 16
/** A conversation goes on from one of its last messages: the very last is often replaced. */
const lastPartsRemembered = 8

export function createSeenPrompts({ entriesMax = 20_000 }: SeenPromptsOptions = {}): SeenPrompts {
  const tokens = createRecent<number>(entriesMax)
  const distrusted = createRecent<true>(entriesMax)

  return {
    find: (body, { organizationId, modelId, protocol, variant = '' }) => {
      const prompt = partsOfPrompt(body, protocol)
      if (!prompt) return undefined
      const { parts, headCount } = prompt
      const scope = digest(JSON.stringify([organizationId, modelId, protocol, variant]), '')
      if (distrusted.get(scope)) return undefined
      const places = chain(scope, parts)
      const inputTokensMax = boundOf(parts, places, tokens)
      return {
        bytes: sumOf(parts, ({ bytes }) => bytes),
        inputTokensMax,
        learn: (inputTokens) => {
          if (inputTokens > (inputTokensMax ?? Number.POSITIVE_INFINITY)) {
            distrusted.set(scope, true)
            return false
          }
          if (inputTokens * bytesPerTokenMax < sumOf(parts, ({ tokensMax }) => tokensMax)) return true
          remember(inputTokens, { parts, places, headCount }, tokens)
          return true
        },
      }
    },
  }
}

/** What is known of the longest beginning, and all that can come of the rest. */
function boundOf(
  parts: readonly PromptPart[],
  places: readonly string[],
  tokens: Recent<number>,
): number | undefined {
  let rest = seamTokensMax
  for (let index = parts.length - 1; index >= 0; index -= 1) {
    const known = tokens.get(places[index] as string)
    if (known !== undefined)
      return known + rest + sumOf(parts.slice(0, index + 1), ({ unsettledMax }) => unsettledMax)
    rest += (parts[index] as PromptPart).tokensMax
  }
  return undefined
}

/** The whole bounds each of its beginnings. The least that was ever reported is the closest. */
function remember(
  inputTokens: number,
  { parts, places, headCount }: { parts: PromptPart[]; places: string[]; headCount: number },
  tokens: Recent<number>,
): void {
  let thoughts = 0
  for (const [index, place] of places.entries()) {
    const { beginsTurn, thoughtsMax } = parts[index] as PromptPart
    thoughts = beginsTurn ? 0 : thoughts + thoughtsMax
    if (index >= headCount && index < parts.length - lastPartsRemembered) continue
    const isWhole = index === parts.length - 1
    const bound = isWhole ? inputTokens : inputTokens + thoughts
    tokens.set(place, Math.min(bound, tokens.get(place) ?? bound))
  }
}

/** For each part a name of everything up to it. */
function chain(scope: string, parts: readonly PromptPart[]): string[] {
  let place = scope
  return parts.map(({ text }) => {
    place = digest(place, text)
    return place
  })
}

/** 128 bits: nobody finds two texts of one name. */
function digest(before: string, text: string): string {
  return hash('sha256', before + text, 'base64url').slice(0, 22)
}

interface Recent<V> {
  get(key: string): V | undefined
  set(key: string, value: V): void
}

/** Forgets what was not used for the longest time. */
function createRecent<V>(entriesMax: number): Recent<V> {
  const entries = new Map<string, V>()
  const set = (key: string, value: V): void => {
    entries.delete(key)
    entries.set(key, value)
    if (entries.size > entriesMax) entries.delete(entries.keys().next().value as string) // there is one
  }
  return {
    get: (key) => {
      const value = entries.get(key)
      if (value !== undefined) set(key, value)
      return value
    },
    set,
  }
}
