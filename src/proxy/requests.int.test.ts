import { createServer } from 'node:net'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import {
  openRaw,
  sendRaw,
  startProxy,
  startUpstream,
  type TestProxy,
  type TestUpstream,
  testPrincipal,
  until,
} from '../../test/support/proxy.ts'
import { testSecret } from '../../test/support/secret.ts'

let upstream: TestUpstream
let proxy: TestProxy

beforeAll(async () => {
  upstream = await startUpstream()
  proxy = await startProxy(upstream.url, {
    limits: { holdSeconds: 1, uploadStallSeconds: 1, rememberedMilliseconds: 0 },
  })
})
afterAll(async () => {
  await proxy.close()
  await upstream.close()
})
beforeEach(() => {
  upstream.seen.length = 0
  upstream.onRequest = (_, response) => response.end('hello')
})

const call = (path: string, init: RequestInit = {}): Promise<Response> =>
  fetch(`${proxy.url}${path}`, {
    ...init,
    headers: { authorization: proxy.authorization, ...(init.headers as Record<string, string>) },
  })
const rawGet = (path: string, host: string, ...lines: string[]): string =>
  [`GET ${path} HTTP/1.1`, `Host: ${host}`, ...lines, '', ''].join('\r\n')

describe('routes', () => {
  it('sends /v1 to the caller’s instance as agent main, with the slot’s token in place of the credential', async () => {
    const response = await call('/v1/models?limit=2')
    expect([response.status, await response.text()]).toEqual([200, 'hello'])
    const [seen] = upstream.seen
    expect(seen?.url).toBe('/v1/models?limit=2')
    expect(seen?.headers).toMatchObject({
      'x-openclaw-agent-id': 'main',
      'x-reef-route': 'gateway',
      'x-reef-proxy-token': testSecret.deriveToken('proxy token', proxy.target.slotId as string),
      host: new URL(upstream.url).host,
    })
    expect(JSON.stringify(seen?.rawHeaders)).not.toContain('good')
  })

  it('lets the client name another agent, but only in a form that means nothing else', async () => {
    await call('/v1/models', { headers: { 'x-openclaw-agent-id': 'writer-2' } })
    await call('/v1/models', { headers: { 'x-openclaw-agent-id': '../main' } })
    expect(upstream.seen.map((seen) => seen.headers['x-openclaw-agent-id'])).toEqual(['writer-2', 'main'])
  })

  it('sends a session’s paths to its instance without the prefix', async () => {
    const body = JSON.stringify({ text: 'hi' })
    await call(`/api/sessions/${proxy.sessionId}/conversations/a%20b/messages?x=1`, { method: 'POST', body })
    expect(upstream.seen[0]).toMatchObject({ url: '/conversations/a%20b/messages?x=1', method: 'POST', body })
    expect(upstream.seen[0]?.headers['x-reef-route']).toBe('bridge')
  })

  it('answers /healthz itself and 404 for everything else', async () => {
    expect((await fetch(`${proxy.url}/healthz`)).status).toBe(200)
    for (const path of [
      '/',
      '/api/me',
      '/v1',
      '/v2/models',
      '/V1/models',
      `/api/sessions/${proxy.sessionId}`,
    ])
      expect([path, (await call(path)).status]).toEqual([path, 404])
    expect(upstream.seen).toEqual([])
  })

  it('answers 401 without a valid credential and the same 404 for missing, foreign and forbidden', async () => {
    for (const authorization of ['', 'Bearer bad', 'Basic Z29vZA=='])
      expect((await call('/v1/models', { headers: { authorization } })).status).toBe(401)
    const foreign = { authorization: 'Bearer other' }
    const session = `/api/sessions/${proxy.sessionId}/conversations`
    const answers = [
      await call(session, { headers: foreign }),
      await call('/api/sessions/0199c0de-0000-7000-8000-000000000000/conversations'),
      await call('/api/sessions/nonsense/conversations'),
      await call('/v1/models', { headers: foreign }),
      await call('/v1/models', { headers: { authorization: 'Bearer mute' } }),
    ]
    const bodies = await Promise.all(answers.map((answer) => answer.text()))
    expect(answers.map((answer) => answer.status)).toEqual([404, 404, 404, 404, 404])
    expect(new Set(bodies).size).toBe(1)
    expect(upstream.seen).toEqual([])
  })
})

describe('headers', () => {
  it('never passes on what a client says about itself or about the connection', async () => {
    const hostile = {
      'X-Forwarded-For': '6.6.6.6',
      'X-Forwarded-Host': 'evil',
      'X-Forwarded-User': 'root',
      X_Forwarded_User: 'root',
      Forwarded: 'for=6.6.6.6',
      'X-Real-IP': '6.6.6.6',
      'X-Reef-User': 'root@example.com',
      'x-reef-route': 'ui',
      'X-Reef-Proxy-Token': 'guess',
      'X-Openclaw-Scopes': 'operator.admin',
      'X-Openclaw-Token': 'guess',
      'Remote-User': 'root',
      'Tailscale-User-Login': 'root',
      'X-Auth-Request-Email': 'root',
      'Proxy-Authorization': 'Basic x',
      'Proxy-Connection': 'keep-alive',
      'Keep-Alive': 'timeout=9',
      TE: 'trailers',
      Cookie: 'reef_refresh=secret',
      'X-Private': 'named by Connection',
    }
    const lines = Object.entries(hostile).map(([name, value]) => `${name}: ${value}`)
    const { text } = await sendRaw(proxy.port, [
      rawGet(
        '/v1/models',
        proxy.url.slice(7),
        'Authorization: Bearer good',
        'Connection: close, X-Private, Authorization, X-Reef-Route, X-Reef-Proxy-Token, X-Openclaw-Agent-Id',
        'X-Custom: kept',
        ...lines,
      ),
    ])
    expect(text).toMatch(/^HTTP\/1.1 200/)
    const names = upstream.seen[0]?.rawHeaders
      .filter((_, index) => index % 2 === 0)
      .map((n) => n.toLowerCase())
    expect(names?.sort()).toEqual(
      ['connection', 'host', 'x-custom', 'x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto'].concat([
        ...['x-openclaw-agent-id', 'x-reef-proxy-token', 'x-reef-route', 'x-request-id'],
      ]),
    )
    expect(upstream.seen[0]?.headers).toMatchObject({
      'x-forwarded-for': '100.64.0.1',
      'x-forwarded-proto': 'http',
      'x-reef-route': 'gateway',
      'x-custom': 'kept',
      connection: 'keep-alive',
    })
  })

  it('lets neither cookies nor CORS of an instance out on the proxy’s own paths', async () => {
    upstream.onRequest = (_, response) => {
      response.setHeader('set-cookie', 'reef_refresh=stolen; Path=/')
      response.setHeader('access-control-allow-origin', '*')
      response.setHeader('x-reef-anything', 'x')
      response.setHeader('x-kept', 'ü')
      response.setHeader('connection', 'x-gone')
      response.setHeader('x-gone', 'x')
      // As bytes: Node would send a header beside a text as UTF-8.
      response.end(Buffer.from('{}'))
    }
    const { headers } = await call('/v1/models')
    for (const name of ['set-cookie', 'access-control-allow-origin', 'x-reef-anything', 'x-gone'])
      expect([name, headers.get(name)]).toEqual([name, null])
    expect(headers.get('x-kept')).toBe('ü')
    expect(headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/)
  })

  it('lets the dashboard’s origin call it, and no other', async () => {
    const preflight = (origin: string): Promise<Response> =>
      fetch(`${proxy.url}/v1/chat/completions`, {
        method: 'OPTIONS',
        headers: { origin, 'access-control-request-method': 'POST' },
      })
    const good = await preflight('http://127.0.0.1:7300')
    expect(good.status).toBe(204)
    expect(good.headers.get('access-control-allow-origin')).toBe('http://127.0.0.1:7300')
    expect(good.headers.get('access-control-allow-headers')).toContain('reef-organization')
    const bad = await preflight('http://ada.localhost:7301')
    expect([bad.status, bad.headers.get('access-control-allow-origin')]).toEqual([403, null])
    const refused = await call('/v1/models', {
      headers: { origin: 'http://127.0.0.1:7300', authorization: 'Bearer bad' },
    })
    expect(refused.headers.get('access-control-allow-origin')).toBe('http://127.0.0.1:7300')
  })
})

describe('streaming', () => {
  it('passes each event on as it comes, the headers before the first', async () => {
    const events: (() => void)[] = []
    upstream.onRequest = (_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.flushHeaders()
      events.push(() => response.write('data: one\n\n'))
      events.push(() => response.write('data: two\n\n'))
      events.push(() => response.end())
    }
    const response = await call('/v1/chat/completions', { method: 'POST', body: '{}' })
    const reader = (response.body as ReadableStream<Uint8Array>).getReader()
    const next = async () => Buffer.from((await reader.read()).value ?? '').toString()
    events[0]?.()
    expect(await next()).toBe('data: one\n\n')
    events[1]?.()
    expect(await next()).toBe('data: two\n\n')
    events[2]?.()
    expect((await reader.read()).done).toBe(true)
  })

  it('closes the upstream when the client goes away, before and during the answer', async () => {
    for (const answersFirst of [false, true]) {
      let closedAt = 0
      let begun = false
      upstream.onRequest = (request, response) => {
        begun = true
        if (answersFirst) response.write('data: one\n\n')
        request.socket.once('close', () => {
          closedAt = performance.now()
        })
      }
      const client = await openRaw(
        proxy.port,
        rawGet('/v1/models', proxy.url.slice(7), 'Authorization: Bearer good'),
      )
      await until(() => begun, 'the request reached the upstream')
      const leftAt = performance.now()
      client.destroy()
      await until(() => closedAt > 0, 'the upstream was closed', 1_000)
      expect(closedAt - leftAt).toBeLessThan(1_000)
    }
  })

  it('cuts the answer off when the upstream breaks off in its middle, so that nobody takes it for whole', async () => {
    upstream.onRequest = (_, response) => {
      response.write('part')
      setTimeout(() => response.destroy(), 20)
    }
    const response = await call('/v1/models')
    await expect(response.text()).rejects.toThrow()
  })

  it('holds no more than 1 MiB for a reader that stalls, while the upstream waits', async () => {
    let written = 0
    const chunk = Buffer.alloc(64 * 1024, 'x')
    upstream.onRequest = (_, response) => {
      const pump = (): void => {
        while (written < 64 * 1024 * 1024) {
          written += chunk.length
          if (!response.write(chunk)) {
            response.once('drain', pump)
            return
          }
        }
        response.end()
      }
      pump()
    }
    const server = proxy.proxy.server
    const accepted = new Promise<import('node:net').Socket>((done) => server.once('connection', done))
    const client = await openRaw(
      proxy.port,
      rawGet('/v1/models', proxy.url.slice(7), 'Authorization: Bearer good'),
    )
    client.pause()
    const inside = await accepted
    let last = -1
    await until(() => {
      const isStill = written === last && written > 0
      last = written
      return isStill && inside.writableLength > 0
    }, 'the upstream stopped writing')
    expect(inside.writableLength).toBeLessThan(1024 * 1024)
    // What is under way is in the kernel's socket buffers, which no test can bound exactly.
    expect(written).toBeLessThan(32 * 1024 * 1024)
    client.destroy()
  })
})

describe('bodies', () => {
  it('streams a large body unharmed, with its length or chunked', async () => {
    const body = Buffer.alloc(3_000_000, 'abcdefghij')
    await call('/v1/x', { method: 'POST', body })
    const stream = new Blob([body]).stream()
    await call('/v1/x', { method: 'POST', body: stream, duplex: 'half' } as RequestInit)
    expect(upstream.seen.map((seen) => seen.body === body.toString())).toEqual([true, true])
    expect(upstream.seen[0]?.headers['content-length']).toBe('3000000')
    expect(upstream.seen[1]?.headers['transfer-encoding']).toBe('chunked')
  })

  it('refuses more than 32 MiB with 413, told or found out, and goes on serving the connection’s owner', async () => {
    const head = ['POST /v1/x HTTP/1.1', `Host: ${proxy.url.slice(7)}`, 'Authorization: Bearer good']
    const told = await sendRaw(proxy.port, [[...head, 'Content-Length: 33554433', '', ''].join('\r\n')])
    expect(told.text).toMatch(/^HTTP\/1.1 413/)
    const mebibyte = `100000\r\n${'x'.repeat(1024 * 1024)}\r\n`
    const found = await sendRaw(proxy.port, [
      [...head, 'Transfer-Encoding: chunked', '', ''].join('\r\n'),
      ...Array.from({ length: 34 }, () => mebibyte),
    ])
    expect(found.text).toMatch(/^HTTP\/1.1 413/)
    expect((await call('/v1/models')).status).toBe(200)
  })

  it('gives up on a client that stalls in mid-body', async () => {
    const head = ['POST /v1/x HTTP/1.1', `Host: ${proxy.url.slice(7)}`, 'Authorization: Bearer good']
    for (const length of [100, 100_000]) {
      const { text } = await sendRaw(proxy.port, [
        `${[...head, `Content-Length: ${length}`, '', ''].join('\r\n')}part`,
      ])
      expect(text).toMatch(/^HTTP\/1.1 408/)
    }
  })
})

describe('instances that do not answer', () => {
  const restore = async (change: Partial<TestProxy['target']>, work: () => Promise<void>): Promise<void> => {
    const before = proxy.target
    proxy.target = { ...before, ...change }
    try {
      await work()
    } finally {
      proxy.target = before
    }
  }

  it('answers 502 when nothing listens, and says what to do', async () => {
    const closed = createServer()
    const port = await new Promise<number>((done) =>
      closed.listen(0, '127.0.0.1', () => done((closed.address() as { port: number }).port)),
    )
    await new Promise((done) => closed.close(done))
    await restore({ address: `http://127.0.0.1:${port}` }, async () => {
      const response = await call('/v1/x', { method: 'POST', body: '{}' })
      expect(response.status).toBe(502)
      expect(await response.json()).toMatchObject({ error: { code: 'instance_unreachable' } })
    })
  })

  it('never sends a request twice: one that broke off is not tried again', async () => {
    upstream.onRequest = (request) => request.socket.destroy()
    const response = await call('/v1/models')
    expect(response.status).toBe(502)
    expect(upstream.seen.length).toBe(1)
  })

  it('finds the new address when an instance comes back elsewhere while it is dialled', async () => {
    await restore({ address: 'http://127.0.0.1:9' }, async () => {
      const answer = call('/v1/x', { method: 'POST', body: 'kept' })
      setTimeout(() => {
        proxy.target = { ...proxy.target, address: upstream.url }
      }, 100)
      expect((await answer).status).toBe(200)
      expect(upstream.seen[0]?.body).toBe('kept')
    })
  })

  it('holds a request while the instance starts', async () => {
    await restore({ status: 'provisioning', slotId: null, address: null, ready: false }, async () => {
      const before = proxy.target
      const answer = call('/v1/models')
      setTimeout(() => {
        proxy.target = { ...before, status: 'running', slotId: 'x', address: upstream.url, ready: true }
      }, 200)
      expect((await answer).status).toBe(200)
    })
  })

  it('answers 503 with Retry-After when it takes too long, and at once for what a person stopped', async () => {
    await restore({ ready: false }, async () => {
      const response = await call('/v1/models')
      expect([response.status, response.headers.get('retry-after')]).toEqual([503, '3'])
    })
    for (const status of ['stopped', 'suspended', 'failed'] as const)
      await restore({ status, wanted: false }, async () => {
        const startedAt = performance.now()
        const response = await call('/v1/models')
        expect([status, response.status, response.headers.has('retry-after')]).toEqual([status, 503, true])
        expect(performance.now() - startedAt).toBeLessThan(800)
      })
  })
})

describe('operation', () => {
  it('reports every request with a route from a closed list', async () => {
    proxy.outcomes.length = 0
    await call('/v1/models')
    await call('/nowhere')
    await until(() => proxy.outcomes.length === 2, 'two outcomes')
    expect(proxy.outcomes.map(({ route, status }) => [route, status])).toEqual([
      ['gateway', 200],
      ['none', 404],
    ])
  })

  it('uses a local OpenClaw with its token and none of Reef’s headers, for callers who are logged in', async () => {
    const local = await startProxy('http://127.0.0.1:9', {
      localOpenclaw: { url: `${upstream.url}/base/`, token: 'local-token' },
    })
    const headers = { authorization: local.authorization }
    expect((await fetch(`${local.url}/v1/models`, { headers })).status).toBe(200)
    expect((await fetch(`${local.url}/v1/models`)).status).toBe(401)
    expect(upstream.seen.length).toBe(1)
    expect(upstream.seen[0]?.url).toBe('/base/v1/models')
    expect(upstream.seen[0]?.headers).toMatchObject({
      authorization: 'Bearer local-token',
      'x-openclaw-agent-id': 'main',
    })
    expect(Object.keys(upstream.seen[0]?.headers ?? {}).join()).not.toMatch(/x-reef|x-forwarded/)
    await local.close()
  })

  it('lets requests finish when it closes, takes no new ones, and cuts off what outlasts the grace', async () => {
    const closing = await startProxy(upstream.url)
    const headers = { authorization: closing.authorization }
    let finish = (): void => {}
    upstream.onRequest = (request, response) => {
      if (request.url === '/v1/slow') finish = () => response.end('done')
      else response.write('endless')
    }
    const slow = fetch(`${closing.url}/v1/slow`, { headers })
    const endless = fetch(`${closing.url}/v1/endless`, { headers }).then((response) => response.text())
    const endlessFails = expect(endless).rejects.toThrow()
    await until(() => upstream.seen.length === 2, 'both are under way')
    const closed = closing.proxy.close(0.5)
    await expect(fetch(`${closing.url}/healthz`)).rejects.toThrow()
    finish()
    expect(await (await slow).text()).toBe('done')
    await endlessFails
    await closed
  })

  it('remembers a credential for less than a second, so that a revoked one is refused within it', async () => {
    let calls = 0
    let valid = true
    const counting = await startProxy(upstream.url, {
      authenticator: {
        authenticate: async () => {
          calls++
          if (!valid) throw new (await import('./refusal.ts')).Refusal(401, 'revoked', 'revoked')
          return testPrincipal
        },
      },
    })
    const headers = { authorization: 'Bearer good' }
    for (let index = 0; index < 20; index++) await fetch(`${counting.url}/v1/models`, { headers })
    expect(calls).toBeLessThan(20)
    valid = false
    const revokedAt = performance.now()
    while ((await fetch(`${counting.url}/v1/models`, { headers })).status !== 401)
      expect(performance.now() - revokedAt).toBeLessThan(1_000)
    await counting.close()
  })
})
