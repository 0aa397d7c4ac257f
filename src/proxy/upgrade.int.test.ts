import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type ClientOptions, WebSocket } from 'ws'
import {
  openRaw,
  sendRaw,
  startProxy,
  startUpstream,
  type TestProxy,
  type TestUpstream,
  testFamilyId,
  testPrincipal,
  until,
} from '../../test/support/proxy.ts'
import { newId } from '../ids.ts'

let upstream: TestUpstream
let proxy: TestProxy

beforeAll(async () => {
  upstream = await startUpstream()
  proxy = await startProxy(upstream.url, { limits: { rememberedMilliseconds: 0, holdSeconds: 0.2 } })
})
afterAll(async () => {
  await proxy.close()
  await upstream.close()
})

const dial = (headers: Record<string, string> = {}, options: ClientOptions = {}): WebSocket =>
  new WebSocket(`ws://127.0.0.1:${proxy.port}/ws?x=1`, ['openclaw'], {
    headers: { host: proxy.slugHost, cookie: proxy.cookie, origin: proxy.origin, ...headers },
    perMessageDeflate: false,
    ...options,
  })

const opened = (socket: WebSocket): Promise<void> =>
  new Promise((done, fail) => {
    socket.once('open', done)
    socket.once('error', fail)
  })

const echoed = async (socket: WebSocket): Promise<string> => {
  socket.send('still there')
  const [answer] = await once(socket, 'message')
  return String(answer)
}

/** The status of the HTTP answer to a handshake that is refused. */
const refused = (headers: Record<string, string>): Promise<number> =>
  new Promise((done, fail) => {
    const socket = dial(headers)
    socket.once('open', () => fail(new Error('it opened')))
    socket.once('error', () => {})
    socket.once('unexpected-response', (_, response) => {
      done(response.statusCode as number)
      socket.terminate()
    })
  })

const descriptors = (): number =>
  readdirSync(process.platform === 'linux' ? '/proc/self/fd' : '/dev/fd').length

describe('WebSockets', () => {
  it('carry text and binary both ways, as the visitor, with their own origin and subprotocol', async () => {
    upstream.seen.length = 0
    const socket = dial({ 'x-reef-user': 'root@example.com' })
    await opened(socket)
    const answers: string[] = []
    socket.on('message', (data, isBinary) => answers.push(`${isBinary}:${data}`))
    socket.send('hello')
    socket.send(Buffer.from('bytes'))
    socket.send('x'.repeat(300_000))
    await until(() => answers.length === 3, 'three echoes')
    expect(answers.map((answer) => answer.slice(0, 12))).toEqual([
      'false:hello',
      'true:bytes',
      'false:xxxxxx',
    ])
    expect(answers[2]?.length).toBe(300_006)
    expect(upstream.seen[0]).toMatchObject({
      url: '/ws?x=1',
      headers: {
        origin: proxy.origin,
        host: proxy.slugHost,
        'x-reef-user': 'ada@example.com',
        'x-reef-route': 'ui',
        'sec-websocket-protocol': 'openclaw',
      },
    })
    expect(upstream.seen[0]?.headers.cookie).toBeUndefined()
    socket.close()
    await until(() => upstream.sockets.size === 0, 'the instance’s end closed')
  })

  it('are refused to pages of another origin, to strangers and elsewhere, before anything is dialled', async () => {
    upstream.seen.length = 0
    expect(await refused({ origin: 'http://eve.localhost:7301' })).toBe(403)
    expect(await refused({ origin: proxy.origin.replace('http:', 'https:') })).toBe(403)
    expect(await refused({ origin: 'null' })).toBe(403)
    expect(await refused({ cookie: 'reef_visit=guess' })).toBe(401)
    expect(await refused({ host: `127.0.0.1:${proxy.port}`, authorization: 'Bearer good' })).toBe(404)
    expect(await refused({ host: 'evil.example' })).toBe(421)
    expect(upstream.seen).toEqual([])
    const noOrigin = await sendRaw(proxy.port, [
      `GET /ws HTTP/1.1\r\nHost: ${proxy.slugHost}\r\nCookie: ${proxy.cookie}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n`,
    ])
    expect(noOrigin.text).toMatch(/^HTTP\/1.1 403/)
  })

  it('get a real HTTP answer when the instance cannot be dialled, refuses, or is stopped', async () => {
    const before = proxy.target
    proxy.target = { ...before, address: 'http://127.0.0.1:9' }
    expect(await refused({})).toBe(502)
    proxy.target = { ...before, status: 'stopped' }
    expect(await refused({})).toBe(503)
    const refusing = createServer((socket) =>
      socket.once('data', () =>
        socket.end('HTTP/1.1 429 Too Many\r\nContent-Length: 4\r\nRetry-After: 7\r\n\r\nwait'),
      ),
    )
    await new Promise<void>((done) => refusing.listen(0, '127.0.0.1', done))
    proxy.target = { ...before, address: `http://127.0.0.1:${(refusing.address() as { port: number }).port}` }
    expect(await refused({})).toBe(429)
    proxy.target = before
    await new Promise((done) => refusing.close(done))
  })

  it('end at the other side when either side ends or breaks off', async () => {
    for (const end of ['close', 'terminate'] as const) {
      const first = dial()
      await opened(first)
      first[end]()
      await until(() => upstream.sockets.size === 0, `the instance’s end after ${end}`)
      const second = dial()
      await opened(second)
      const closed = new Promise((done) => second.once('close', done))
      second.on('error', () => {})
      for (const socket of upstream.sockets) socket[end]()
      await closed
    }
  })

  it('end within about a second when the visitor may visit no more', async () => {
    const socket = dial()
    await opened(socket)
    const closed = new Promise((done) => socket.once('close', done))
    proxy.visitors.delete(testPrincipal.userId)
    const revokedAt = performance.now()
    await closed
    expect(performance.now() - revokedAt).toBeLessThan(2_500)
    expect(await refused({})).toBe(401)
    proxy.visitors.add(testPrincipal.userId)
  })

  it('end within about a second when the log-in ends that they came from, and those of other log-ins stay', async () => {
    const [socket, other] = [dial(), dial({ cookie: proxy.cookieOf({ familyId: newId() }) })]
    await Promise.all([opened(socket), opened(other)])
    const closed = new Promise((done) => socket.once('close', done))
    proxy.endedLogIns.add(testFamilyId)
    const endedAt = performance.now()
    await closed
    expect(performance.now() - endedAt).toBeLessThan(2_500)
    expect(await refused({})).toBe(401)
    expect(await echoed(other)).toBe('still there')
    other.terminate()
    await until(() => upstream.sockets.size === 0, 'the instance’s ends closed')
    proxy.endedLogIns.delete(testFamilyId)
  })

  it('end with the twelve hours of their visit, and those of a later visit stay', async () => {
    let now = new Date()
    const aging = await startProxy(upstream.url, { clock: { now: () => now } })
    const dialAt = (begunAt: Date): WebSocket =>
      new WebSocket(`ws://127.0.0.1:${aging.port}/ws`, {
        headers: { host: aging.slugHost, cookie: aging.cookieOf({}, begunAt), origin: aging.origin },
      })
    const [early, late] = [dialAt(now), dialAt(new Date(now.getTime() + 1))]
    await Promise.all([opened(early), opened(late)])
    const closed = new Promise((done) => early.once('close', done))
    now = new Date(now.getTime() + 12 * 3_600_000)
    await closed
    expect(await echoed(late)).toBe('still there')
    late.terminate()
    await until(() => upstream.sockets.size === 0, 'the instance’s ends closed')
    await aging.close()
  })

  it('hold no more than 1 MiB for a reader that stalls', async () => {
    const accepted = new Promise<Socket>((done) => proxy.proxy.server.once('connection', done))
    const client = await openRaw(
      proxy.port,
      `GET /ws HTTP/1.1\r\nHost: ${proxy.slugHost}\r\nOrigin: ${proxy.origin}\r\nCookie: ${proxy.cookie}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n`,
    )
    await until(() => upstream.sockets.size === 1, 'it is open')
    client.pause()
    const inside = await accepted
    const [sender] = upstream.sockets
    const chunk = Buffer.alloc(1024 * 1024)
    for (let index = 0; index < 40; index++) sender?.send(chunk)
    let last = -1
    await until(() => {
      const waiting = sender?.bufferedAmount ?? 0
      const isStill = waiting === last && waiting > 0
      last = waiting
      return isStill && inside.writableLength > 0
    }, 'the sender waits')
    expect(inside.writableLength + inside.readableLength).toBeLessThan(1024 * 1024)
    expect(sender?.bufferedAmount).toBeGreaterThan(8 * 1024 * 1024)
    client.destroy()
    await until(() => upstream.sockets.size === 0, 'it is closed')
  })

  it('leave no descriptor behind after 2,000 were opened and closed, half of them by a reset', async () => {
    const cycle = async (count: number): Promise<void> => {
      for (let round = 0; round < count / 50; round++)
        await Promise.all(
          Array.from({ length: 50 }, async (_, index) => {
            const socket = dial()
            await opened(socket)
            socket.on('error', () => {})
            const gone = new Promise((done) => socket.once('close', done))
            if (index % 2 === 0) socket.close()
            else (socket as unknown as { _socket: Socket })._socket.resetAndDestroy()
            await gone
          }),
        )
      await until(() => upstream.sockets.size === 0, 'all are closed')
    }
    await cycle(100)
    const before = descriptors()
    await cycle(2_000)
    await until(() => descriptors() <= before + 10, `descriptors: ${before} before, ${descriptors()} after`)
  }, 60_000)

  it('are closed at once when the proxy closes, whatever the grace for requests', async () => {
    const closing = await startProxy(upstream.url)
    const socket = new WebSocket(`ws://127.0.0.1:${closing.port}/ws`, {
      headers: { host: closing.slugHost, cookie: closing.cookie, origin: closing.origin },
    })
    await opened(socket)
    socket.on('error', () => {})
    const closed = new Promise((done) => socket.once('close', done))
    await closing.proxy.close(30)
    await closed
  })
})
