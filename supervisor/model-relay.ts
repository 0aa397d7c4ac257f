import { createServer, type IncomingMessage, request as requestHttp, type ServerResponse } from 'node:http'
import { request as requestHttps } from 'node:https'
import { withoutHopByHop } from './forward.ts'
import { listen } from './listen.ts'
import { turnEndedPath } from './persistence-plugin.ts'
import type { Desired } from './protocol.ts'
import { isToken } from './token.ts'

/**
 * Carries OpenClaw's model calls to the model gateway and adds the slot's key on the way. Three reasons for it to be
 * here and not in OpenClaw's configuration:
 *
 * - OpenClaw blames a 402 on a key that it was given, and then refuses by itself for ten minutes, even when credits were
 *   bought meanwhile. A provider on the loopback without a key is asked again at once.
 * - Whatever an agent reads or is talked into printing, the slot's key is not in it.
 * - A model gateway at a new address or a new key needs no reload inside OpenClaw.
 */
export interface ModelRelay {
  listen(): Promise<void>
  /** OpenClaw's base URL without `/v1`, once it listens. */
  readonly url: string
  close(): Promise<void>
}

export interface ModelRelayDependencies {
  /** What OpenClaw must present, so that nobody else on this machine can spend from this slot. */
  token: string
  readModels(): Desired['models'] | null
  /** The control plane as this slot reaches it: what a `models.baseUrl` that is a path is relative to. */
  readControlOrigin(): string
  /** The persistence plugin's word, which comes the same way. */
  onTurnEnded(): void
}

/** Not `authorization`, in which OpenClaw sends a placeholder to a provider without a key. */
export const relayTokenHeader = 'x-reef-relay-token'

export function createModelRelay(deps: ModelRelayDependencies): ModelRelay {
  let port = 0
  const server = createServer({ requestTimeout: 0 }, (incoming, response) => {
    const models = deps.readModels()
    if (!models || !isToken(incoming.headers[relayTokenHeader], deps.token))
      refuse(response, 401, 'unauthorized', 'This relay serves OpenClaw alone.')
    else if (incoming.url === turnEndedPath) {
      deps.onTurnEnded()
      response.writeHead(204).end()
    } else relay(incoming, response, models, deps.readControlOrigin())
  })
  return {
    listen: async () => {
      port = await listen(server, '127.0.0.1', 0)
    },
    get url() {
      return `http://127.0.0.1:${port}`
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

/** `/v1/...` and `/anthropic/...` here are the same paths beside the model gateway's `/v1`; see protocol.ts. */
function relay(
  incoming: IncomingMessage,
  response: ServerResponse,
  models: Desired['models'],
  controlOrigin: string,
): void {
  const url = new URL(models.baseUrl.replace(/\/v1\/?$/, '') + incoming.url, controlOrigin)
  const { host: _, [relayTokenHeader]: __, ...headers } = withoutHopByHop(incoming.headers)
  const upstream = (url.protocol === 'https:' ? requestHttps : requestHttp)(url, {
    method: incoming.method,
    headers: { ...headers, authorization: `Bearer ${models.apiKey}`, 'x-api-key': models.apiKey },
  })
  // OpenClaw gave the turn up: so does the model.
  response.once('close', () => upstream.destroy())
  upstream.once('error', () => {
    if (response.headersSent) response.destroy()
    else
      refuse(response, 503, 'model_gateway_unreachable', 'The model gateway cannot be reached at the moment.')
  })
  upstream.once('response', (answer) => {
    response.writeHead(answer.statusCode ?? 502, withoutHopByHop(answer.headers))
    response.flushHeaders()
    answer.once('error', () => response.destroy())
    answer.pipe(response)
  })
  incoming.pipe(upstream)
}

function refuse(response: ServerResponse, status: number, code: string, message: string): void {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(JSON.stringify({ error: { code, message, type: 'server_error' } }))
}
