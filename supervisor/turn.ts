import { z } from 'zod'
import type { TurnEvent } from './conversations.ts'
import type { GatewayEvent } from './gateway-client.ts'
import { asText, resultText } from './transcript.ts'

const agentEventSchema = z.discriminatedUnion('stream', [
  z.looseObject({
    runId: z.string(),
    stream: z.literal('assistant'),
    data: z.looseObject({ delta: z.string().default(''), itemId: z.string().optional() }),
  }),
  z.looseObject({
    runId: z.string(),
    stream: z.literal('item'),
    data: z.looseObject({ kind: z.string(), phase: z.string(), progressText: z.string().default('') }),
  }),
  z.looseObject({
    runId: z.string(),
    stream: z.literal('tool'),
    data: z.looseObject({
      phase: z.string(),
      name: z.string().default('tool'),
      toolCallId: z.string(),
      args: z.unknown().optional(),
      partialResult: z.unknown().optional(),
      result: z.unknown().optional(),
      isError: z.boolean().default(false),
    }),
  }),
])

const chatEventSchema = z.looseObject({
  runId: z.string(),
  state: z.string(),
  errorKind: z.string().optional(),
  errorMessage: z.string().optional(),
  errorDetail: z
    .looseObject({ httpStatus: z.number().optional(), providerErrorMessagePreview: z.string().optional() })
    .optional(),
  message: z.looseObject({ content: z.unknown() }).optional(),
})

/**
 * Reads one run's events out of everything that OpenClaw says. The answer to one question may come in several pieces
 * with tool calls between them; they are set apart by an empty line, just as the history shows them.
 */
export function createTurnReader(runId: string): (event: GatewayEvent) => TurnEvent[] {
  const inputs = new Map<string, string>()
  let itemId: string | undefined
  let wrote = false

  const text = (delta: string, newPiece: boolean): TurnEvent[] => {
    if (delta === '') return []
    const separator = newPiece && wrote ? '\n\n' : ''
    wrote = true
    return [{ type: 'text', delta: separator + delta }]
  }

  function readAgent(event: z.infer<typeof agentEventSchema>): TurnEvent[] {
    switch (event.stream) {
      case 'assistant': {
        const newPiece = event.data.itemId !== itemId
        itemId = event.data.itemId
        return text(event.data.delta, newPiece)
      }
      // What the model said before it called a tool: told as a whole when that piece ends.
      case 'item':
        if (event.data.kind !== 'preamble' || event.data.phase !== 'end') return []
        return text(event.data.progressText, true)
      case 'tool': {
        const { toolCallId: id, name, phase, args, result, partialResult, isError } = event.data
        if (args !== undefined) inputs.set(id, asText(args))
        const input = inputs.get(id) ?? ''
        if (phase === 'result')
          return [{ type: 'tool', tool: { id, name, input, output: resultText(result), failed: isError } }]
        // What a tool printed so far is not its answer.
        if (partialResult !== undefined) return []
        return [{ type: 'tool', tool: { id, name, input, output: null, failed: false } }]
      }
      default:
        return event satisfies never
    }
  }

  function readChat(event: z.infer<typeof chatEventSchema>): TurnEvent[] {
    switch (event.state) {
      case 'final': {
        // A command such as /status answers at once, without a model and so without pieces.
        const whole = wrote || event.message === undefined ? '' : resultText(event.message)
        return [...text(whole, false), { type: 'done', stopped: false }]
      }
      case 'aborted':
        return [{ type: 'done', stopped: true }]
      case 'error':
        return [explain(event)]
      default:
        return []
    }
  }

  return ({ event, payload }) => {
    if (event === 'agent') {
      const parsed = agentEventSchema.safeParse(payload)
      return parsed.success && parsed.data.runId === runId ? readAgent(parsed.data) : []
    }
    if (event === 'chat') {
      const parsed = chatEventSchema.safeParse(payload)
      return parsed.success && parsed.data.runId === runId ? readChat(parsed.data) : []
    }
    return []
  }
}

/** How the model gateway's words begin when credits or a budget are used up: as a limit, which OpenClaw passes on. */
const usageLimit = /^(?:⚠️\s*)?(Usage limit reached(?<budget> until it resets)?: .+)$/su

function explain(event: z.infer<typeof chatEventSchema>): TurnEvent {
  const limited = usageLimit.exec(event.errorMessage ?? '')
  if (limited?.[1] !== undefined) {
    const code = limited.groups?.budget === undefined ? 'credits_exhausted' : 'budget_exhausted'
    return { type: 'error', code, message: limited[1] }
  }
  // OpenClaw would speak of an API key, which the reader has none of; the model gateway's own words fit.
  if (event.errorDetail?.httpStatus === 402) {
    const message =
      event.errorDetail.providerErrorMessagePreview ?? 'Your credits are used up. Buy more to go on.'
    return { type: 'error', code: 'credits_exhausted', message }
  }
  return {
    type: 'error',
    code: event.errorKind ?? 'turn_failed',
    message: event.errorMessage ?? 'OpenClaw could not finish this turn. Its log says more.',
  }
}
