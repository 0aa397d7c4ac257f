import type { ModelProtocol } from '../domain/usage/meter.ts'

/** One call as a provider gets it: the client's body with the provider's own name of the model. */
export interface ProviderCall {
  protocol: ModelProtocol
  body: Record<string, unknown>
  /** The client's `anthropic-version` and `anthropic-beta`, for the protocol `messages`. */
  headers: Record<string, string>
  /** Aborted when the client is gone or the call has taken too long: the provider must stop at once. */
  signal: AbortSignal
  /** Called once all of the request has left this machine: before that nothing was read that could be charged for. */
  onSent: () => void
}

/** What a provider answered. An error status is an answer; only a failure to get one is thrown. */
export interface ProviderAnswer {
  status: number
  contentType: string
  /** Seconds or an HTTP date, as the provider said it. */
  retryAfter: string | null
  body: AsyncIterable<Buffer>
}

/** Somewhere that model calls go. */
export interface Provider {
  readonly name: string
  serves(protocol: ModelProtocol): boolean
  /** Throws a ReefError of kind `upstream` when the provider cannot be reached. */
  call(call: ProviderCall): Promise<ProviderAnswer>
  /** The provider's text without anything of the operator's account: keys, organization and project names. */
  scrub(text: string): string
  /** True when `text` holds the provider's key; cheap enough for every event of a stream. */
  leaks(text: Buffer): boolean
}
