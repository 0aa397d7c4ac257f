import { once } from 'node:events'
import http, { type IncomingMessage } from 'node:http'
import https from 'node:https'
import type { ModelProtocol } from '../domain/usage/meter.ts'
import { ReefError } from '../errors.ts'
import type { Provider, ProviderCall } from './provider.ts'

export interface HttpProviderOptions {
  name: string
  apiKey: string
  /** Where each protocol is answered; a protocol that is missing is not served. */
  urls: Partial<Record<ModelProtocol, string>>
  /** Header that carries the key for a protocol. */
  authorize(protocol: ModelProtocol): Record<string, string>
}

/** A model may think for minutes before its first byte, but a silence longer than this is a dead connection. */
const silenceMillisecondsMax = 600_000
const connectMillisecondsMax = 10_000

const agentOptions = { keepAlive: true, maxSockets: Number.POSITIVE_INFINITY, noDelay: true }

/** Passes calls on to a server that speaks the same protocol as the client. */
export function createHttpProvider(options: HttpProviderOptions): Provider {
  const agents = { http: new http.Agent(agentOptions), https: new https.Agent(agentOptions) }
  const key = Buffer.from(options.apiKey)
  return {
    name: options.name,
    serves: (protocol) => options.urls[protocol] !== undefined,
    call: async (call) => {
      const response = await send(options, agents, call)
      return {
        status: response.statusCode ?? 502,
        contentType: response.headers['content-type'] ?? 'application/json',
        retryAfter: response.headers['retry-after'] ?? null,
        body: response,
      }
    },
    scrub: (text) =>
      text
        .replaceAll(options.apiKey, '[redacted]')
        // Keys that the provider shortened itself, and names of the operator's account.
        .replace(/\b(sk|org|proj|user|acct)[-_][A-Za-z0-9*._-]{6,}/g, '[redacted]'),
    leaks: (text) => text.includes(key),
  }
}

async function send(
  options: HttpProviderOptions,
  agents: { http: http.Agent; https: https.Agent },
  call: ProviderCall,
): Promise<IncomingMessage> {
  const url = new URL(options.urls[call.protocol] ?? '')
  const body = Buffer.from(JSON.stringify(call.body))
  const secure = url.protocol === 'https:'
  const request = (secure ? https : http).request(url, {
    method: 'POST',
    agent: secure ? agents.https : agents.http,
    signal: call.signal,
    headers: {
      ...call.headers,
      'content-type': 'application/json',
      'content-length': body.length,
      accept: call.body.stream === true ? 'text/event-stream' : 'application/json',
      // The gateway reads the answer, so it must not be compressed.
      'accept-encoding': 'identity',
      'user-agent': 'reef',
      ...options.authorize(call.protocol),
    },
  })
  request.setTimeout(silenceMillisecondsMax, () => request.destroy(new Error('silent for too long')))
  limitConnect(request)
  // Emitted when the last byte was handed to a connection that stands, not while it is still waited for.
  request.once('finish', call.onSent)
  request.end(body)
  try {
    const [response] = (await once(request, 'response')) as [IncomingMessage]
    // From here on a failure shows where the body is read; without a listener it would end the process.
    request.on('error', () => {})
    return response
  } catch (cause) {
    throw new ReefError('upstream', {
      code: 'provider_unreachable',
      message: `The provider ${options.name} cannot be reached right now. Try again in a moment.`,
      // The cause names the address at most; headers and body are not part of it.
      internal: `${options.name}: ${(cause as Error).message}`,
      cause,
    })
  }
}

/** A new connection that does not come about fails soon; a reused one is there already. */
function limitConnect(request: http.ClientRequest): void {
  request.once('socket', (socket) => {
    if (!socket.connecting) return
    const timer = setTimeout(
      () => request.destroy(new Error('no connection in time')),
      connectMillisecondsMax,
    )
    const clear = (): void => clearTimeout(timer)
    socket.once('connect', clear)
    request.once('close', clear)
  })
}
