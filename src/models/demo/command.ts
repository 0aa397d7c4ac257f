import type { Conversation } from './conversation.ts'
import type { DemoReply } from './reply.ts'

const lorem =
  'the tide comes in over the reef and goes out again while small fish wait between the corals for the light'.split(
    ' ',
  )

/**
 * Commands that make the demo model do one thing exactly, for trying out and testing what is built around it:
 *   /demo words N          N words at the usual pace
 *   /demo slow N           N words, a fifth of a second apart
 *   /demo tool NAME JSON   calls that tool with that input
 *   /demo error STATUS     refuses with that HTTP status, as a provider does
 */
export function demoCommand({ said }: Conversation): DemoReply | undefined {
  const match = /^\/demo(?:\s+(\w+))?(?:\s+([\s\S]+))?$/.exec(said)
  if (!match) return undefined
  const rest = match[2]?.trim() ?? ''
  switch (match[1]) {
    case 'words':
      return { kind: 'text', text: words(rest) }
    case 'slow':
      return { kind: 'text', text: words(rest), wordMilliseconds: 200 }
    case 'error': {
      const status = Number(rest)
      if (Number.isInteger(status) && status >= 400 && status <= 599) return { kind: 'error', status }
      break
    }
    case 'tool': {
      const [, name = '', json = '{}'] = /^(\S+)\s*([\s\S]*)$/.exec(rest) ?? []
      const input = parseInput(json === '' ? '{}' : json)
      if (name !== '' && input) return { kind: 'tool', name, input }
    }
  }
  return {
    kind: 'text',
    text: 'Try `/demo words 50`, `/demo slow 20`, `/demo tool exec {"command":"ls"}` or `/demo error 429`.',
  }
}

function words(count: string): string {
  const length = Math.min(Math.max(Math.trunc(Number(count)) || 10, 1), 10_000)
  return Array.from({ length }, (_, index) => lorem[index % lorem.length]).join(' ')
}

function parseInput(json: string): Record<string, unknown> | undefined {
  try {
    const input: unknown = JSON.parse(json)
    return typeof input === 'object' && input !== null ? (input as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}
