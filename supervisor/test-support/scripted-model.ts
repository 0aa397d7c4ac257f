import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'

const requestSchema = z.looseObject({
  model: z.string(),
  messages: z.array(z.looseObject({ role: z.string(), content: z.unknown() })),
})

interface ScriptedRequest {
  model: string
  question: string
  authorization: string | undefined
  refused: boolean
}

/** An OpenAI-compatible model that streams, and does what the last question asks for by a word. */
export interface ScriptedModel {
  readonly baseUrl: string
  readonly requests: ScriptedRequest[]
  /** Refuses every other model from now on, as the model gateway does for a slot that nobody owns. */
  serveOnly(models: string[]): void
  /** Ends `serveOnly`. */
  serveAll(): void
  close(): Promise<void>
}

export async function startScriptedModel(): Promise<ScriptedModel> {
  const requests: ScriptedRequest[] = []
  let served: string[] | undefined
  const server = createServer(async (incoming, response) => {
    let text = ''
    for await (const chunk of incoming) text += chunk
    const body = requestSchema.parse(JSON.parse(text))
    const asked = body.messages.findLast((message) => message.role === 'user' && !isContext(message.content))
    const question = plain(asked?.content)
    const called = body.messages
      .slice(body.messages.lastIndexOf(asked as never))
      .some(({ role }) => role === 'tool')
    const refused = served !== undefined && !served.includes(body.model)
    requests.push({ model: body.model, question, authorization: incoming.headers.authorization, refused })
    if (refused) {
      const message = `There is no model ${JSON.stringify(body.model)} here.`
      refuse(response, 404, { message, type: 'invalid_request_error', code: 'model_not_found' })
      return
    }
    if (question.includes('no credit')) {
      refuse(response, 402, {
        message: 'Out of credits.',
        type: 'insufficient_quota',
        code: 'credits_exhausted',
      })
      return
    }
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    const command = question.includes('list files') ? 'ls -a' : /run <(.+)>/s.exec(question)?.[1]
    if (command !== undefined && !called) await callTool(response, body.model, command)
    else if (question.includes('slowly'))
      await say(response, body.model, 'one two three four five six seven eight', 500)
    else await say(response, body.model, 'Hello from the model.', 20)
    write(response, body.model, [], { prompt_tokens: 100, completion_tokens: 10, total_tokens: 110 })
    response.end('data: [DONE]\n\n')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    requests,
    serveOnly: (models) => {
      served = models
    },
    serveAll: () => {
      served = undefined
    },
    close: async () => {
      server.closeAllConnections()
      await new Promise((done) => server.close(done))
    },
  }
}

/** OpenClaw adds a user message of its own, with facts about its surroundings. */
function isContext(content: unknown): boolean {
  return plain(content).includes('BEGIN_OPENCLAW_INTERNAL_CONTEXT')
}

function plain(content: unknown): string {
  if (typeof content === 'string') return content
  if (!Array.isArray(content)) return ''
  return content.map((part) => (typeof part?.text === 'string' ? part.text : '')).join(' ')
}

function refuse(response: ServerResponse, status: number, error: object): void {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(JSON.stringify({ error }))
}

async function say(response: ServerResponse, model: string, text: string, everyMs: number): Promise<void> {
  for (const word of text.split(' ')) {
    if (response.destroyed) return
    write(response, model, [{ index: 0, delta: { content: `${word} ` }, finish_reason: null }])
    await sleep(everyMs)
  }
  write(response, model, [{ index: 0, delta: {}, finish_reason: 'stop' }])
}

async function callTool(response: ServerResponse, model: string, command: string): Promise<void> {
  write(response, model, [{ index: 0, delta: { content: 'Let me look.' }, finish_reason: null }])
  const call = { index: 0, id: `call_${Date.now()}`, type: 'function' }
  const named = { ...call, function: { name: 'exec', arguments: JSON.stringify({ command }) } }
  write(response, model, [{ index: 0, delta: { tool_calls: [named] }, finish_reason: null }])
  write(response, model, [{ index: 0, delta: {}, finish_reason: 'tool_calls' }])
}

function write(response: ServerResponse, model: string, choices: object[], usage?: object): void {
  const chunk = { id: 'chunk', object: 'chat.completion.chunk', created: 1, model, choices, usage }
  response.write(`data: ${JSON.stringify(chunk)}\n\n`)
}
