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

/** Most time that a model call may take. The gateway ends it then, so a row that is older belongs to nobody alive. */
export const callSecondsMax = 1800

/** A model call that is about to be made. */
export interface ModelCall {
  id: string
  slotId: string
  /** Null for the warm-up calls of a slot in the pool, which are free. */
  organizationId: string | null
  /** Whose instance it is. */
  userId: string | null
  instanceId: string | null
  sessionId: string | null
  /** The agent and the task that it is made for; null for what the instance does by itself. */
  agentId: string | null
  taskId: string | null
  provider: string
  model: string
  protocol: ModelProtocol
  streamed: boolean
  /** An upper bound of what it can read. */
  inputTokensMax: number
  /** The most that it can write, all of its answers together. */
  outputTokensMax: number
}

/** How a model call ended. */
export interface ModelCallEnd {
  /** `cancelled`: the answer was cut, by the client or by the provider. `failed`: it came to nothing, which costs nothing. */
  outcome: 'succeeded' | 'failed' | 'cancelled'
  httpStatus: number | null
  errorCode: string | null
  /** What it used; null when nothing was. */
  usage: TokenUsage | null
  /** The provider did not say (all of) the usage: Reef counted what it saw. */
  estimated: boolean
  firstByteAt: Date | null
  finishedAt: Date
}

export interface AdmittedCall {
  admitted: true
  /** What it may write, all of its answers together: what was asked for, or less where credits run out. */
  outputTokensMax: number
  /** Called exactly once, when the answer has ended. Does not throw: usage that cannot be written now is not the caller's problem. */
  settle(end: ModelCallEnd): Promise<void>
}

export interface RefusedCall {
  admitted: false
  /**
   * `paymentRequired`: there are no credits for it. `rateLimited`: there are, but calls under way hold them. `conflict`: an
   * operator has to do something first.
   */
  kind: 'paymentRequired' | 'rateLimited' | 'conflict'
  /** Stable, snake_case, for example `credits_exhausted`. */
  code: string
  /** What the person is told, including what they can do. */
  message: string
  retryAfterSeconds?: number
}

/**
 * Asked before every model call and told after it. `begin` runs its own short transaction and returns before the
 * provider is called; nothing is held open meanwhile. It throws only when it cannot decide, and then no call is made.
 */
export interface Meter {
  begin(call: ModelCall): Promise<AdmittedCall | RefusedCall>
}
