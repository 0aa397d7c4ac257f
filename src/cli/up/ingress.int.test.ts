import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { type ClientRequest, type IncomingMessage, request } from 'node:http'
import { connect as connectHttp2 } from 'node:http2'
import { type RequestOptions, request as requestSecure } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { requireComponent } from '../../../test/support/components.ts'
import { eventually } from '../../../test/support/eventually.ts'
import { freePort } from '../../../test/support/free-port.ts'
import { startProxy, startUpstream, type TestProxy, type TestUpstream } from '../../../test/support/proxy.ts'
import { testSecret } from '../../../test/support/secret.ts'
import { createServedNames } from '../../domain/domains/served-names.ts'
import { createFronts } from '../../fronts.ts'
import { registerIngressRoutes } from '../../http/routes/ingress.ts'
import { createServer, type Server } from '../../http/server.ts'
import type { IngressPlan } from '../../ingress.ts'
import { createVisitCookie } from '../../proxy/visit-cookie.ts'
import { openLog } from '../../telemetry/log.ts'
import { type Ingress, startIngress } from './ingress.ts'

const caddyPath = requireComponent('caddy')
const token = 'a-token-of-forty-characters-for-the-test'
const domain = 'reef.test'

describe.skipIf(!caddyPath)('Caddy in front', () => {
  let directory: string
  let upstream: TestUpstream
  let proxy: TestProxy
  let api: Server
  let plan: IngressPlan
  let ingress: Ingress
  let authority: string
  let cookie: string
  const notices: string[] = []
  const seenByApi: { ip: string; forwarded: unknown }[] = []

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'reef-ingress-'))
    const fronts = createFronts({ token, trusted: [] })
    const httpsPort = await freePort()
    upstream = await startUpstream()
    proxy = await startProxy(upstream.url, {
      domain,
      publicUrl: `https://${domain}:${httpsPort}`,
      dashboardOrigins: [`https://${domain}:${httpsPort}`],
      fronts,
      findCustomSlug: async (name) => (name === 'claw.ada.dev' ? 'ada' : undefined),
    })
    cookie = createVisitCookie({ secret: testSecret, secure: true })
      .issue(proxy.visit, new Date())
      .split(';', 1)[0] as string
    api = await createServer({ log: openLog('silent'), version: '0.0.0', fronts })
    registerIngressRoutes(api, {
      names: createServedNames({
        domain,
        own: new Set([domain]),
        slugExists: async (slug) => slug === proxy.target.slug,
        isCustomDomain: async (name) => name === 'claw.ada.dev',
      }),
    })
    api.get('/api/whoami', async (asked) => {
      seenByApi.push({ ip: asked.ip, forwarded: asked.headers['x-forwarded-for'] })
      return { ip: asked.ip }
    })
    await api.listen({ host: '127.0.0.1', port: 0 })
    plan = {
      dashboardHost: domain,
      domain,
      apiUpstream: `127.0.0.1:${(api.server.address() as { port: number }).port}`,
      proxyUpstream: `127.0.0.1:${proxy.port}`,
      token,
      host: '127.0.0.1',
      httpPort: await freePort(),
      httpsPort,
      tls: { kind: 'internal' },
      acmeEmail: undefined,
      dataDirectory: directory,
    }
    ingress = await startIngress(plan, {
      caddy: { path: caddyPath as string, version: '2' },
      onNotice: (notice) => notices.push(notice),
    })
    authority = await eventually(() =>
      readFile(join(directory, 'caddy/storage/pki/authorities/local/root.crt'), 'utf8'),
    )
  })
  afterAll(async () => {
    await ingress?.stop()
    await proxy?.close()
    await api?.close()
    await upstream?.close()
    await rm(directory, { recursive: true, force: true })
  })

  const options = (host: string, more: RequestOptions = {}): RequestOptions & { servername: string } => ({
    host: '127.0.0.1',
    port: plan.httpsPort,
    servername: host,
    ca: authority,
    agent: false,
    ...more,
    headers: { host: `${host}:${plan.httpsPort}`, ...more.headers },
  })
  const send = (host: string, path: string, more: RequestOptions = {}, body?: string) =>
    new Promise<{ status: number; headers: IncomingMessage['headers']; text: string }>((done, fail) => {
      const asked = requestSecure(options(host, { path, ...more }), (answer) => {
        let text = ''
        answer.on('data', (chunk) => (text += chunk))
        answer.on('end', () => done({ status: answer.statusCode ?? 0, headers: answer.headers, text }))
      })
      asked.once('error', fail)
      asked.end(body)
    })
  const visitor = `ada.${domain}`

  test('an instance’s own name gets a certificate that the authority vouches for, and a chat request gets through', async () => {
    upstream.onRequest = (_, response) => response.end('{"choices":[]}')
    const answer = await send(
      domain,
      '/v1/chat/completions',
      { method: 'POST', headers: { authorization: proxy.authorization, 'content-type': 'application/json' } },
      '{"model":"openclaw"}',
    )
    expect(answer).toMatchObject({ status: 200, text: '{"choices":[]}' })
    expect(upstream.seen.at(-1)).toMatchObject({ url: '/v1/chat/completions', body: '{"model":"openclaw"}' })

    const page = await send(visitor, '/', { headers: { cookie } })
    expect(page.status).toBe(200)
    expect(upstream.seen.at(-1)?.headers).toMatchObject({
      host: `${visitor}:${plan.httpsPort}`,
      'x-forwarded-proto': 'https',
      'x-reef-user': 'ada@example.com',
    })
  })

  test('HTTP/2 is spoken and HTTP/3 is offered', async () => {
    const session = connectHttp2(`https://${domain}:${plan.httpsPort}`, {
      ca: authority,
      createConnection: () =>
        connectTls({
          host: '127.0.0.1',
          port: plan.httpsPort,
          servername: domain,
          ca: authority,
          ALPNProtocols: ['h2'],
        }),
    })
    const headers = await new Promise<Record<string, unknown>>((done, fail) => {
      session.once('error', fail)
      session.request({ ':path': '/api/whoami' }).once('response', (answered) => done(answered))
    })
    session.close()
    expect(headers[':status']).toBe(200)
    expect(headers['alt-svc']).toContain(`h3=":${plan.httpsPort}"`)
  })

  test('a name that nobody has gets no certificate, and one whose domain was verified does', async () => {
    await expect(send(`nobody.${domain}`, '/')).rejects.toThrow()
    await expect(send('elsewhere.dev', '/')).rejects.toThrow()
    expect((await send('claw.ada.dev', '/')).status).toBe(401)
    upstream.onRequest = (_, response) => response.end('ok')
    expect((await send('claw.ada.dev', '/', { headers: { cookie } })).status).toBe(200)
    expect(upstream.seen.at(-1)?.headers['x-forwarded-host']).toBe(`claw.ada.dev:${plan.httpsPort}`)
  })

  test('nobody but Caddy may ask which names exist', async () => {
    const ask = `http://${plan.apiUpstream}/ingress/ask?domain=${visitor}`
    expect((await fetch(ask)).status).toBe(404)
    expect((await fetch(ask, { headers: { 'x-reef-ingress': 'guess' } })).status).toBe(404)
    expect((await fetch(ask, { headers: { 'x-reef-ingress': token } })).status).toBe(200)
    // Of a visitor, to whose request Caddy has added its token.
    const visited = { 'x-reef-ingress': token, 'x-forwarded-for': '203.0.113.9' }
    expect((await fetch(ask, { headers: visited })).status).toBe(404)
    for (const path of [
      '/ingress/ask?domain=ada.reef.test',
      '/ingress/%61sk?domain=ada.reef.test',
      '/metrics',
    ])
      expect((await send(domain, path)).status, path).toBe(404)
  })

  test('a client’s own X-Forwarded-For is overwritten, for instances and for the API', async () => {
    const lies = {
      'x-forwarded-for': '6.6.6.6',
      'x-real-ip': '6.6.6.6',
      forwarded: 'for=6.6.6.6',
      'x-reef-ingress': 'guess',
    }
    upstream.onRequest = (_, response) => response.end('ok')
    await send(visitor, '/', { headers: { cookie, ...lies } })
    const { headers } = upstream.seen.at(-1) as { headers: Record<string, unknown> }
    // A visitor on this machine is given an address of the shared range; see headers.ts.
    expect(headers['x-forwarded-for']).toBe('100.64.0.1')
    expect(JSON.stringify(headers)).not.toContain('6.6.6.6')
    expect(JSON.stringify(headers)).not.toContain(token)
    expect(JSON.parse((await send(domain, '/api/whoami', { headers: lies })).text)).toEqual({
      ip: '127.0.0.1',
    })
    const direct = await fetch(`http://${plan.apiUpstream}/api/whoami`, { headers: lies })
    expect(await direct.json()).toEqual({ ip: '127.0.0.1' })
    expect(JSON.stringify(seenByApi)).not.toContain('6.6.6.6')
  })

  test('the first event of a stream arrives before there is a second, and a client that leaves is missed at once', async () => {
    let gone: (() => void) | undefined
    const upstreamGone = new Promise<void>((done) => (gone = done))
    upstream.onRequest = (_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write('data: first\n\n')
      response.once('close', () => gone?.())
    }
    const asked = requestSecure(
      options(domain, { path: '/v1/responses', headers: { authorization: proxy.authorization } }),
    )
    const first = await firstChunk(asked)
    expect(first).toBe('data: first\n\n')
    asked.destroy()
    await upstreamGone
  })

  test('a WebSocket goes through both ways, for its own origin only', async () => {
    const open = (origin: string) =>
      new WebSocket(`wss://${visitor}:${plan.httpsPort}/`, {
        ...options(visitor),
        lookup: (
          _name: string,
          _options: unknown,
          done: (e: null, a: { address: string; family: number }[]) => void,
        ) => done(null, [{ address: '127.0.0.1', family: 4 }]),
        headers: { cookie },
        origin,
      } as never)
    const socket = open(`https://${visitor}:${plan.httpsPort}`)
    const echoed = await new Promise<string>((done, fail) => {
      socket.once('error', fail)
      socket.once('open', () => socket.send('hello'))
      socket.once('message', (data) => done(String(data)))
    })
    socket.terminate()
    expect(echoed).toBe('hello')
    const foreign = open('https://evil.test')
    await expect(
      new Promise((_, fail) => {
        foreign.once('error', fail)
      }),
    ).rejects.toThrow(/403/)
  })

  test('plain http is sent on to https, with the port', async () => {
    const answer = await new Promise<IncomingMessage>((done) =>
      request(
        {
          host: '127.0.0.1',
          port: plan.httpPort,
          path: '/a?b',
          headers: { host: `${visitor}:${plan.httpPort}` },
        },
        done,
      ).end(),
    )
    answer.resume()
    expect(answer.statusCode).toBe(308)
    expect(answer.headers.location).toBe(`https://${visitor}:${plan.httpsPort}/a?b`)
  })

  test('its token stands in a file for the owner only, not in the process’s environment, arguments or log', async () => {
    const config = join(directory, 'caddy/Caddyfile')
    expect(await readFile(config, 'utf8')).toContain(token)
    expect((await stat(config)).mode & 0o077).toBe(0)
    for (const file of ['environ', 'cmdline'])
      expect(await readFile(`/proc/${ingress.pid}/${file}`, 'utf8')).not.toContain(token)
    expect(await readFile(join(directory, 'caddy/caddy.log'), 'utf8')).not.toContain(token)
  })

  test('a Caddy that is killed comes back by itself', async () => {
    const before = ingress.pid as number
    process.kill(before, 'SIGKILL')
    await eventually(async () => {
      expect(ingress.pid).not.toBe(before)
      expect((await send(domain, '/api/whoami')).status).toBe(200)
    })
    expect(notices.at(-1)).toMatch(/Caddy ended \(SIGKILL\) and is started again/)
  })

  test('one that a killed Reef left behind makes way for the next', async () => {
    const left = ingress.pid as number
    const next = await startIngress(plan, {
      caddy: { path: caddyPath as string, version: '2' },
      onNotice: () => undefined,
    })
    expect(next.pid).not.toBe(left)
    await ingress.stop()
    ingress = next
    expect((await send(domain, '/api/whoami')).status).toBe(200)
  })
})

function firstChunk(asked: ClientRequest): Promise<string> {
  return new Promise((done, fail) => {
    asked.once('error', fail)
    asked.once('response', (answer) => {
      answer.on('error', () => undefined)
      answer.once('data', (chunk) => {
        asked.off('error', fail)
        asked.on('error', () => undefined)
        done(String(chunk))
      })
    })
    asked.end()
  })
}
