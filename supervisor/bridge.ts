import type { IncomingMessage, ServerResponse } from 'node:http'
import { createConversationService } from './conversation-service.ts'
import { sendMessageBodySchema, type TurnEvent } from './conversations.ts'
import { GatewayCallError, type GatewayClient } from './gateway-client.ts'

const bodyBytesMax = 1024 * 1024
/** Keeps proxies between here and the reader from closing a stream on which a tool works in silence. */
const keepAliveEveryMs = 15_000

/** Answers the conversations API (see conversations.ts) for whoever may use the instance. */
export async function answerBridge(
  incoming: IncomingMessage,
  response: ServerResponse,
  reachGateway: () => Promise<GatewayClient>,
): Promise<void> {
  const conversations = createConversationService(reachGateway)
  const path = new URL(incoming.url ?? '/', 'http://bridge').pathname.split('/').slice(1)
  const id = decodeURIComponent(path[1] ?? '')
  const what =
    path[0] === 'conversations'
      ? `${incoming.method} ${['', '/:id', `/:id/${path[2]}`][path.length - 1]}`
      : ''
  try {
    switch (what) {
      case 'GET ':
        return sendJson(response, 200, { conversations: await conversations.list() })
      case 'POST ':
        return sendJson(response, 200, conversations.create())
      case 'DELETE /:id':
        await conversations.remove(id)
        return sendJson(response, 200, {})
      case 'GET /:id/messages':
        return sendJson(response, 200, { messages: await conversations.messages(id) })
      case 'POST /:id/messages': {
        const body = sendMessageBodySchema.safeParse(await readJson(incoming))
        if (!body.success)
          return sendError(response, 400, 'invalid_request', 'The body must be { "text": "..." }.')
        return await streamTurn(response, conversations.send(id, body.data.text))
      }
      case 'POST /:id/stop':
        return sendJson(response, 200, { stopped: await conversations.stop(id) })
      default:
        return sendError(response, 404, 'not_found', 'There is no such conversation.')
    }
  } catch (error) {
    if (response.headersSent || !(error instanceof GatewayCallError)) throw error
    if (error.code === 'INVALID_REQUEST') return sendError(response, 400, 'invalid_request', error.message)
    response.setHeader('retry-after', '1')
    return sendError(
      response,
      503,
      'openclaw_not_ready',
      'OpenClaw does not answer at the moment. Try again.',
    )
  }
}

/** One JSON object per `data:` line. A reader who goes away leaves the turn running; its end is in the history. */
async function streamTurn(response: ServerResponse, events: AsyncIterable<TurnEvent>): Promise<void> {
  let keepAlive: NodeJS.Timeout | undefined
  try {
    for await (const event of events) {
      if (!response.headersSent) {
        response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
        keepAlive = setInterval(() => response.write(': still working\n\n'), keepAliveEveryMs)
      }
      if (response.destroyed) return
      if (!response.write(`data: ${JSON.stringify(event)}\n\n`)) await drained(response)
    }
    response.end()
  } finally {
    clearInterval(keepAlive)
  }
}

function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    response.once('drain', resolve)
    response.once('close', resolve)
  })
}

async function readJson(incoming: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of incoming) {
    bytes += chunk.length
    if (bytes > bodyBytesMax) return undefined
    chunks.push(chunk)
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString())
  } catch {
    return undefined
  }
}

function sendError(response: ServerResponse, status: number, code: string, message: string): void {
  sendJson(response, status, { error: { code, message } })
}

export function sendJson(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' })
  response.end(JSON.stringify(body))
}
