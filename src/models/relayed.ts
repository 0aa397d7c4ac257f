export interface RelayedCount {
  add(event: string): void
  /** About how many tokens the events carried. */
  tokens(): number
}

/** Names under which the protocols' events carry a piece of what the model writes: text, reasoning, a tool's input. */
const pieces =
  /"(?:content|reasoning|reasoning_content|refusal|delta|text|thinking|arguments|partial_json)"\s*:\s*"((?:[^"\\]|\\.)*)"/g

/** Events of the Responses API that say again what others have brought. */
const repeats = /"type"\s*:\s*"response\.(?:[a-z_.]+\.done|created|in_progress|completed|incomplete|failed)"/

const charactersPerToken = 4
/** Scripts other than Latin have a token for every character or two, and two to four bytes for each. */
const foreignBytesPerToken = 3

/**
 * Counts what a stream has brought, for when nobody says what it cost. Only the longest piece of each event: one carries
 * one, beside empty ones or what says the same under another name.
 */
export function countRelayed(): RelayedCount {
  let tokens = 0
  return {
    add: (event) => {
      if (repeats.test(event)) return
      let most = 0
      for (const [, piece = ''] of event.matchAll(pieces)) most = Math.max(most, tokensOf(piece))
      tokens += most
    },
    tokens: () => Math.ceil(tokens),
  }
}

function tokensOf(piece: string): number {
  const bytes = Buffer.byteLength(piece)
  if (bytes === piece.length) return piece.length / charactersPerToken
  // One byte each.
  const plain = piece.replace(/[\u0080-\uffff]/g, '').length
  return plain / charactersPerToken + (bytes - plain) / foreignBytesPerToken
}
