export interface RelayedCount {
  add(event: string): void
  /** About how many tokens the events carried. */
  tokens(): number
}

/** Names under which the protocols' events carry a piece of what the model writes: text, reasoning, a tool's input. */
const pieces =
  /"(?:content|reasoning|reasoning_content|refusal|delta|text|thinking|arguments|partial_json)"\s*:\s*"((?:[^"\\]|\\.)*)"/

/** Events of the Responses API that say again what others have brought. */
const repeats = /"type"\s*:\s*"response\.(?:[a-z_.]+\.done|created|in_progress|completed|incomplete|failed)"/

const charactersPerToken = 4

/** Counts what a stream has brought, for when nobody says what it cost. Only the first piece of each event: one carries one. */
export function countRelayed(): RelayedCount {
  let characters = 0
  return {
    add: (event) => {
      const piece = pieces.exec(event)?.[1]
      if (piece !== undefined && !repeats.test(event)) characters += piece.length
    },
    tokens: () => Math.ceil(characters / charactersPerToken),
  }
}
