/** Tokens as the provider reported them; null where it said nothing. */
export interface TokenUsage {
  /** Everything that was read, the cached part included. */
  inputTokens: number | null
  /** Of the input, what came from the provider's cache. */
  cachedInputTokens: number | null
  /** Of the input, what was written to the provider's cache, which some providers charge extra. */
  cacheWriteInputTokens: number | null
  /** Everything that was written, reasoning included. */
  outputTokens: number | null
  /** Of the output, what was spent on reasoning. */
  reasoningTokens: number | null
}

export type ModelProtocol = 'chat_completions' | 'responses' | 'messages'

/** A model call that is about to be made. */
export interface ModelCall {
  id: string
  slotId: string
  /** Null for the warm-up calls of a slot in the pool. */
  organizationId: string | null
  instanceId: string | null
  sessionId: string | null
  provider: string
  model: string
  protocol: ModelProtocol
  streamed: boolean
  /** What bounds the cost of the call: the size of the request and the most it lets the model write. */
  requestBytes: number
  outputTokensMax: number | null
}

/** How a model call ended. */
export interface ModelCallEnd {
  /** `cancelled`: the answer was cut, by the client or by the provider. What is known of the usage still counts. */
  outcome: 'succeeded' | 'failed' | 'cancelled'
  httpStatus: number | null
  errorCode: string | null
  usage: TokenUsage | null
  firstByteAt: Date | null
  finishedAt: Date
}

export interface AdmittedCall {
  admitted: true
  /** Called exactly once, when the answer has ended. Does not throw: usage that cannot be written now is not the caller's problem. */
  settle(end: ModelCallEnd): Promise<void>
}

export interface RefusedCall {
  admitted: false
  /** Stable, snake_case, for example `credits_exhausted`. */
  code: string
  /** What the person is told, including what they can do. */
  message: string
}

/**
 * Asked before every model call and told after it. `begin` runs its own short transaction and returns before the
 * provider is called; nothing is held open meanwhile. It throws only when it cannot decide, and then no call is made.
 */
export interface Meter {
  begin(call: ModelCall): Promise<AdmittedCall | RefusedCall>
}
