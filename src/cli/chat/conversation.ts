import {
  type Conversation,
  conversationSchema,
  type ToolCall,
  type TurnEvent,
  turnEventSchema,
} from '../../../supervisor/conversations.ts'
import { meSchema } from '../../http/schemas/instances.ts'
import { conversationsSchema, launchSchema, stoppedSchema } from '../answers.ts'
import type { ReefClient } from '../client.ts'
import type { Instance } from '../context.ts'
import { CliError } from '../failure.ts'
import { waitForInstance } from '../launch.ts'
import type { StepDisplay } from '../steps.ts'
import { readEventStream } from './event-stream.ts'

/** One conversation with the caller's own OpenClaw. */
export interface ConversationClient {
  readonly conversation: Conversation
  /** Sends a message and gives the turn's events as they come. Ends after `done`; throws for an `error`. */
  send(text: string): AsyncGenerator<TurnEvent>
  /** Asks OpenClaw to end the turn under way; its events then end with `done`. */
  stop(): Promise<void>
}

/** Which conversation: a named one, the latest one, or a new one. */
export type Choice = { id: string } | 'latest' | 'new'

/** Launches the instance if it does not run, then opens the conversation. */
export async function openConversation(
  client: ReefClient,
  choice: Choice,
  display?: StepDisplay,
): Promise<ConversationClient> {
  const { sessionId, instance } = await openSession(client)
  if (instance.status !== 'running') await waitForInstance(client, instance, 'running', display)
  const base = `/api/sessions/${sessionId}/conversations`
  const conversation = await chooseConversation(client, base, choice)
  const path = `${base}/${encodeURIComponent(conversation.id)}`
  return {
    conversation,
    send: (text) => sendMessage(client, path, text),
    stop: async () => {
      await client.callProxy(`${path}/stop`, { method: 'POST', answer: stoppedSchema })
    },
  }
}

/** Launches; a key that may chat but launch nothing uses the session of the instance that runs. */
async function openSession(client: ReefClient): Promise<{ sessionId: string; instance: Instance }> {
  try {
    const request = { method: 'POST', body: {}, answer: launchSchema } as const
    const { session, instance } = await client.call('/api/sessions', request)
    return { sessionId: session.id, instance }
  } catch (error) {
    if (!(error instanceof CliError) || error.reason !== 'notFound') throw error
    const { instance } = await client.call('/api/me', { answer: meSchema })
    if (!instance?.sessionId) throw error
    return { sessionId: instance.sessionId, instance }
  }
}

async function chooseConversation(client: ReefClient, base: string, choice: Choice): Promise<Conversation> {
  if (choice !== 'new') {
    const { conversations } = await client.callProxy(base, { answer: conversationsSchema })
    const found =
      choice === 'latest'
        ? conversations.toSorted((a, b) => (b.updatedAt ?? '').localeCompare(a.updatedAt ?? ''))[0]
        : conversations.find(({ id }) => id === choice.id)
    if (found) return found
    if (choice !== 'latest')
      throw new CliError(
        'notFound',
        `There is no conversation ${choice.id}. Leave --conversation out for a new one.`,
      )
  }
  return client.callProxy(base, { method: 'POST', body: {}, answer: conversationSchema })
}

async function* sendMessage(client: ReefClient, path: string, text: string): AsyncGenerator<TurnEvent> {
  const response = await client.stream(`${path}/messages`, { method: 'POST', body: { text } })
  if (!response.body) throw cutOff()
  try {
    for await (const data of readEventStream(response.body)) {
      const event = turnEventSchema.parse(JSON.parse(data))
      if (event.type === 'error') throw new CliError('failed', event.message, { code: event.code })
      yield event
      if (event.type === 'done') return
    }
  } catch (error) {
    throw error instanceof CliError ? error : cutOff(error)
  }
  throw cutOff()
}

function cutOff(cause?: unknown): CliError {
  return new CliError(
    'failed',
    'The answer was cut off. What came so far is kept; see `reef status`, then ask again.',
    { cause },
  )
}

/** One line about a tool call, short enough for a terminal. */
export function formatTool(tool: ToolCall): string {
  const state = tool.output === null ? '…' : tool.failed ? ' failed' : ''
  return `[${tool.name}] ${shorten(tool.input)}${state}`
}

const shownCharactersMax = 100

function shorten(text: string): string {
  const line = text.replaceAll(/\s+/g, ' ').trim()
  return line.length > shownCharactersMax ? `${line.slice(0, shownCharactersMax - 1)}…` : line
}
