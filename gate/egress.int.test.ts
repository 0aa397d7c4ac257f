import { createServer, type Server } from 'node:http'
import {
  type AddressInfo,
  createServer as createTcpServer,
  type Socket,
  type Server as TcpServer,
} from 'node:net'
import { connect as connectTls, createServer as createTlsServer } from 'node:tls'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { eventually } from '../test/support/eventually.ts'
import type { PolicySlot } from './protocol.ts'
import { connectAs, startTestGate, type TestGate, testSlot } from './test-support/gate.ts'

/** Stands for every server of the internet: HTTP and WebSocket, and TLS under a key of the test's own. */
let web: Server
let secure: TcpServer
let silent: TcpServer
let gate: TestGate
let slot: PolicySlot
/** Which lookups were made. */
let asked: string[]
let addresses: Record<string, string[]>
/** Until when nobody gets an answer from DNS. */
let dnsAnswers: Promise<void>
const seen: string[] = []

beforeAll(async () => {
  web = createServer((request, answer) => {
    seen.push(JSON.stringify([request.method, request.url, request.rawHeaders]))
    if (request.url === '/slow') return
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => answer.end(`${request.method} ${request.url} ${Buffer.concat(chunks)}`))
  })
  const echo = new WebSocketServer({ server: web })
  echo.on('connection', (socket) => socket.on('message', (data) => socket.send(String(data))))
  secure = createTlsServer({
    pskCallback: () => Buffer.from('shared'),
    ciphers: 'PSK',
    maxVersion: 'TLSv1.2',
  }).on('secureConnection', (socket: Socket) => socket.pipe(socket).on('error', () => undefined))
  silent = createTcpServer((socket) => {
    seen.push('raw')
    socket.on('error', () => undefined)
  })
  for (const server of [web, secure, silent])
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
})
afterAll(() => {
  web.closeAllConnections()
  for (const server of [web, secure, silent]) server.close()
})
const portOf = (server: Server | TcpServer): number => (server.address() as AddressInfo).port

beforeEach(async () => {
  asked = []
  addresses = {}
  dnsAnswers = Promise.resolve()
  seen.length = 0
  slot = testSlot(1, listing('example.com', '*.example.org'))
  gate = await startTestGate(
    { slots: [slot, testSlot(2, listing())] },
    {
      privateAllowed: ['127.0.0.1/32'],
      lookup: async (host) => {
        asked.push(host)
        await dnsAnswers
        return addresses[host] ?? ['127.0.0.1']
      },
      limits: { connectionsPerSlotMax: 20 },
    },
  )
})
afterEach(() => gate.close())

/** Allows these names at the ports of the servers above. */
const listing = (...domains: string[]): PolicySlot['egress'] => ({
  mode: 'allow_list',
  rules: domains.map((domain) => ({ domain, ports: [80, portOf(web), portOf(secure), portOf(silent)] })),
})

/** Sends bytes as an instance and gives what came back once the gate closed, or what had come after `until`. */
const send = async (text: string, until?: RegExp, as: PolicySlot = slot): Promise<string> => {
  const socket = await connectAs(as, gate.ports.egress)
  socket.write(text, 'latin1')
  let answer = ''
  try {
    for await (const chunk of socket) {
      answer += (chunk as Buffer).toString('latin1')
      if (until?.test(answer)) break
    }
  } catch {
    // A reset is an end too.
  }
  socket.destroy()
  return answer
}
const get = (
  host: string,
  options: { port?: number; hostHeader?: string; path?: string } = {},
): Promise<string> => {
  const authority = `${host}:${options.port ?? portOf(web)}`
  return send(
    `GET http://${authority}${options.path ?? '/x'} HTTP/1.1\r\nHost: ${options.hostHeader ?? authority}\r\nConnection: close\r\n\r\n`,
  )
}
const tunnel = async (authority: string, as = slot): Promise<{ socket: Socket; answer: string }> => {
  const socket = await connectAs(as, gate.ports.egress)
  socket.write(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`)
  const answer = await new Promise<string>((done) => {
    socket.once('data', (data) => done(String(data)))
    socket.once('close', () => done(''))
  })
  return { socket, answer }
}
const handshake = (socket: Socket, servername: string | undefined): Promise<Socket> =>
  new Promise((resolve, reject) => {
    const encrypted = connectTls({
      socket,
      ...(servername ? { servername } : {}),
      ciphers: 'PSK',
      maxVersion: 'TLSv1.2',
      checkServerIdentity: () => undefined,
      pskCallback: () => ({ psk: Buffer.from('shared'), identity: 'test' }),
    })
    encrypted.once('secureConnect', () => resolve(encrypted))
    encrypted.once('error', reject)
    socket.once('close', () => reject(new Error('closed')))
  })
const statusOf = (answer: string): string => /^HTTP\/1\.1 (\d+)/.exec(answer)?.[1] ?? 'closed'

describe('plain requests', () => {
  it('reach a listed name, with what is only for the proxy left out', async () => {
    const authority = `example.com:${portOf(web)}`
    const answer = await send(
      `POST http://EXAMPLE.com.:${portOf(web)}/a?b HTTP/1.1\r\nHost: ${authority}\r\nProxy-Authorization: Basic eA==\r\n` +
        'Proxy-Connection: keep-alive\r\nX-Kept: 1\r\nX-Dropped: 1\r\nTransfer-Encoding: chunked\r\n' +
        'Connection: close, X-Dropped\r\n\r\n3\r\nabc\r\n0\r\n\r\n',
    )
    expect(answer).toMatch(/^HTTP\/1\.1 200/)
    expect(answer).toContain('POST /a?b abc')
    expect(seen[0]).toContain('X-Kept')
    expect(seen[0]).toContain(authority)
    expect(seen[0]).not.toMatch(/proxy-|x-dropped/i)
  })

  it('are refused for what is not listed, in words that say who can allow it, and nobody is asked or dialled', async () => {
    const answer = await get('other.test')
    expect(statusOf(answer)).toBe('403')
    expect(answer).toContain('may not reach other.test. Its owner can allow other.test in the dashboard')
    expect(asked).toEqual([])
    expect(seen).toEqual([])
  })

  it('are refused when the Host header names another server, none or several', async () => {
    const start = `GET http://example.com:${portOf(web)}/ HTTP/1.1\r\n`
    const host = `Host: example.com:${portOf(web)}\r\n`
    for (const headers of ['Host: other.test\r\n', 'Host: example.com\r\n', '', host + host, 'Host: \r\n'])
      expect([headers, statusOf(await send(`${start}${headers}Connection: close\r\n\r\n`))]).toEqual([
        headers,
        headers === '' ? '400' : '403',
      ])
    expect(seen).toEqual([])
  })

  it('at ports that are not listed are refused', async () => {
    expect(await get('example.com', { port: 9 })).toContain('may not reach port 9 of example.com')
  })

  it('to a name that stands for private addresses are refused', async () => {
    addresses['example.com'] = ['10.0.0.1', '169.254.169.254', '::1', '::ffff:10.0.0.1']
    expect(await get('example.com')).toContain('stands for a private address')
  })

  it('go to the address that was checked, although the name means another one a moment later', async () => {
    let lookups = 0
    Object.defineProperty(addresses, 'example.com', {
      get: () => (lookups++ === 0 ? ['127.0.0.1'] : ['10.0.0.1']),
    })
    expect(statusOf(await get('example.com'))).toBe('200')
    expect(lookups).toBe(1)
  })

  it('upgrade to a WebSocket, and to nothing else', async () => {
    const socket = await connectAs(slot, gate.ports.egress)
    const authority = `example.com:${portOf(web)}`
    const webSocket = new WebSocket(`ws://${authority}/`, {
      createConnection: () => socket,
      finishRequest: (request) => {
        request.path = `http://${authority}/`
        request.end()
      },
    })
    await new Promise((done) => webSocket.once('open', done))
    webSocket.send('hello')
    expect(String(await new Promise((done) => webSocket.once('message', done)))).toBe('hello')
    webSocket.terminate()
    const other = await send(
      `GET http://${authority}/ HTTP/1.1\r\nHost: ${authority}\r\nUpgrade: h2c\r\nHTTP2-Settings: AAA\r\nConnection: Upgrade, close\r\n\r\n`,
    )
    expect(statusOf(other)).toBe('200')
    expect(seen.at(-1)).not.toContain('h2c')
  })

  it('answer 502 for a name that DNS does not know', async () => {
    addresses['example.com'] = []
    expect(await get('example.com')).toContain('is not known to DNS')
  })

  it('and anything that is no request of a proxy are refused', async () => {
    for (const line of [
      'GET / HTTP/1.1',
      'GET https://example.com/ HTTP/1.1',
      'GET ftp://example.com/ HTTP/1.1',
    ])
      expect(statusOf(await send(`${line}\r\nHost: example.com\r\nConnection: close\r\n\r\n`))).toBe('400')
  })
})

describe('CONNECT', () => {
  it('carries TLS to a listed name whose name is also inside', async () => {
    const { socket, answer } = await tunnel(`api.example.org:${portOf(secure)}`)
    expect(statusOf(answer)).toBe('200')
    const encrypted = await handshake(socket, 'api.example.org')
    encrypted.write('ping')
    expect(String(await new Promise((done) => encrypted.once('data', done)))).toBe('ping')
    encrypted.destroy()
  })

  it.each([
    ['another name', 'evil.test'],
    ['another name that is listed too', 'example.com'],
    ['no name', undefined],
  ])('is closed when TLS names %s inside, before the server sees a byte', async (_, servername) => {
    const { socket, answer } = await tunnel(`api.example.org:${portOf(silent)}`)
    expect(statusOf(answer)).toBe('200')
    silent.once('connection', (server: Socket) => server.on('data', () => seen.push('a byte')))
    await expect(handshake(socket, servername)).rejects.toThrow()
    await eventually(() =>
      expect(gate.reports.flatMap((report) => report.denied)).toContainEqual(
        expect.objectContaining({ host: 'api.example.org', reason: 'server_name' }),
      ),
    )
    expect(seen).not.toContain('a byte')
  })

  it('is closed when what is inside is neither TLS nor HTTP', async () => {
    for (const text of ['SSH-2.0-x\r\n', '\0\0\0', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n']) {
      const { socket } = await tunnel(`example.com:${portOf(web)}`)
      socket.write(text)
      await new Promise((done) => socket.resume().once('close', done))
    }
    expect(seen).toEqual([])
  })

  it('may carry plain HTTP, which is judged by each request', async () => {
    const authority = `example.com:${portOf(web)}`
    const inside = async (...requests: string[]): Promise<string[]> => {
      const { socket } = await tunnel(authority)
      const answers: string[] = []
      for (const request of requests) {
        socket.write(`${request}\r\n\r\n`)
        answers.push(statusOf(String(await new Promise((done) => socket.once('data', done)))))
      }
      socket.destroy()
      return answers
    }
    const own = `GET /x HTTP/1.1\r\nHost: ${authority}`
    // Allowed by itself, and still no proxy behind a proxy.
    const nested = `CONNECT api.example.org:${portOf(web)} HTTP/1.1\r\nHost: api.example.org`
    expect(await inside(own, own, nested)).toEqual(['200', '200', '403'])
    const foreign = `api.example.org:${portOf(web)}`
    expect(await inside(`GET /x HTTP/1.1\r\nHost: ${foreign}`)).toEqual(['403'])
    expect(await inside(`GET http://${foreign}/x HTTP/1.1\r\nHost: ${foreign}`)).toEqual(['403'])
    expect(seen).toHaveLength(2)
  })

  it.each([
    '127.0.0.1:443',
    '[::1]:443',
    '[::ffff:127.0.0.1]:443',
    '2130706433:443',
    '0x7f.1:443',
    'evil.test:443',
    'example.com.evil.test:443',
    'localhost:443',
    'example.com@evil.test:443',
    'example.com%00.evil.test:443',
    'example.com:22',
    'example.com',
    'http://example.com:443',
  ])('to %s is refused, and nobody is asked or dialled', async (authority) => {
    const { answer, socket } = await tunnel(authority)
    socket.destroy()
    expect(['400', '403']).toContain(statusOf(answer))
    expect(asked).toEqual([])
  })
})

describe('a change of policy', () => {
  const stream = async (host: string): Promise<Socket> => {
    const { socket, answer } = await tunnel(`${host}:${portOf(secure)}`)
    expect(statusOf(answer)).toBe('200')
    return handshake(socket, host)
  }
  const echoes = async (socket: Socket): Promise<string> => {
    socket.write('still')
    return String(await new Promise((done) => socket.once('data', done)))
  }

  it('ends what it no longer allows at once and leaves everything else open', async () => {
    const kept = await stream('example.com')
    const ended = await stream('api.example.org')
    const gone = new Promise((done) => ended.once('close', done))
    ended.on('error', () => undefined)
    await gate.push({
      slots: [{ ...slot, egress: listing('example.com', 'new.test') }, testSlot(2, listing())],
    })
    await gone
    expect(await echoes(kept)).toBe('still')
    expect(statusOf((await tunnel(`api.example.org:${portOf(secure)}`)).answer)).toBe('403')
    expect(await echoes(await stream('new.test'))).toBe('still')
    kept.destroy()
  })

  it('counts for what is only on its way, too', async () => {
    let answer: () => void = () => undefined
    dnsAnswers = new Promise((done) => {
      answer = done
    })
    const request = get('example.com')
    await eventually(() => expect(asked).toEqual(['example.com']))
    await gate.push({ slots: [{ ...slot, egress: listing('other.test') }] })
    answer()
    expect(statusOf(await request)).toBe('403')
    expect(seen).toEqual([])
  })

  it('that takes the slot away ends all that it had open', async () => {
    const ended = await stream('example.com')
    ended.on('error', () => undefined)
    const gone = new Promise((done) => ended.once('close', done))
    await gate.push({ slots: [] })
    await gone
    expect(await send('GET http://example.com/ HTTP/1.1\r\nHost: example.com\r\n\r\n')).toBe('')
  })
})

describe('who connects', () => {
  it('is nobody unless it comes from the instance’s address to the gate’s address in its network', async () => {
    const other = testSlot(2, listing())
    for (const forged of [
      { ...slot, instanceAddress: other.instanceAddress },
      { ...slot, gateAddress: other.gateAddress },
      { ...slot, gateAddress: '127.0.0.1', instanceAddress: '127.0.0.1' },
    ])
      for (const port of [gate.ports.egress, gate.ports.relay]) {
        const socket = await connectAs(forged, port)
        socket.write(`GET http://example.com:${portOf(web)}/link HTTP/1.1\r\nHost: example.com\r\n\r\n`)
        const chunks: unknown[] = []
        socket.on('data', (chunk) => chunks.push(chunk))
        await new Promise((done) => socket.once('close', done))
        expect(chunks).toEqual([])
      }
    expect(seen).toEqual([])
  })

  it('has so many connections and no more, and others have theirs', async () => {
    const sockets = await Promise.all(Array.from({ length: 25 }, () => connectAs(slot, gate.ports.egress)))
    for (const socket of sockets) socket.resume()
    await eventually(() => expect(sockets.filter((socket) => !socket.destroyed)).toHaveLength(20))
    const other = await connectAs(testSlot(2, listing()), gate.ports.egress)
    other.write('GET http://example.com/ HTTP/1.1\r\nHost: example.com\r\n\r\n')
    expect(String(await new Promise((done) => other.once('data', done)))).toContain('403')
    for (const socket of [...sockets, other]) socket.destroy()
  })

  it('and never says what it wants is closed', async () => {
    const socket = await connectAs(slot, gate.ports.egress)
    socket.write('GET http://exam')
    await new Promise((done) => socket.resume().once('close', done))
  })
})
