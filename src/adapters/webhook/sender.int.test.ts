import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import { type AddressInfo, createServer as createTcpServer, type Server } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { createWebhookSender } from './sender.ts'

const servers: Server[] = []
afterEach(() => {
  for (const server of servers.splice(0)) server.close()
})

async function listen(handler: RequestListener): Promise<number> {
  const server = createServer(handler).listen(0, '127.0.0.1')
  servers.push(server)
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

const request = (url: string) => ({ url, headers: { 'content-type': 'application/json' }, body: '{}' })
const loopback = ['127.0.0.0/8']

describe('a webhook', () => {
  it.each([
    'https://127.0.0.1/',
    'https://2130706433/',
    'https://0x7f.1/',
    'https://[::1]/',
    'https://[::ffff:127.0.0.1]/',
    'https://[64:ff9b::7f00:1]/',
    'https://169.254.169.254/latest/meta-data',
    'https://10.0.0.1/',
    'https://100.100.100.200/',
    'https://[fd00:ec2::254]/',
  ])('is never posted to %s', async (url) => {
    const sender = createWebhookSender({ privateAllowed: [] })
    expect(sender.refusalOf(url)).toBe('It leads to an address that is not public.')
    await expect(sender.post(request(url))).rejects.toThrow('not public')
  })

  it.each([
    ['http://example.com/', 'It must begin with https://.'],
    ['ftp://example.com/', 'It must begin with https://.'],
    ['file:///etc/passwd', 'It must begin with https://.'],
    ['https://user:password@example.com/', 'It may hold no user name and no password.'],
    ['example.com', 'It is not a URL.'],
  ])('is refused as %s', (url, words) => {
    expect(createWebhookSender({ privateAllowed: [] }).refusalOf(url)).toBe(words)
  })

  it('is not posted to a name that stands for a private address', async () => {
    const sender = createWebhookSender({ privateAllowed: [], lookup: async () => ['10.0.0.1', '::1'] })
    await expect(sender.post(request('https://inside.example.test/'))).rejects.toThrow('not public')
  })

  it('asks for a name once and connects to exactly what was judged, whatever the name says later', async () => {
    let reached = 0
    const port = await listen((_request, response) => {
      reached += 1
      response.writeHead(204).end()
    })
    let asked = 0
    const sender = createWebhookSender({
      privateAllowed: ['127.0.0.1/32'],
      // The second answer would lead elsewhere.
      lookup: async () => (asked++ === 0 ? ['127.0.0.2', '127.0.0.1'] : ['127.0.0.3']),
    })
    await sender.post(request(`http://rebinding.example.test:${port}/`))
    expect([asked, reached]).toEqual([1, 1])
  })

  it('follows no redirect, wherever it leads', async () => {
    let inner = 0
    const target = await listen((_request, response) => {
      inner += 1
      response.end()
    })
    for (const status of [301, 302, 303, 307, 308]) {
      const port = await listen((_request, response) => {
        response.writeHead(status, { location: `http://127.0.0.1:${target}/` }).end()
      })
      const sender = createWebhookSender({ privateAllowed: loopback })
      await expect(sender.post(request(`http://127.0.0.1:${port}/`))).rejects.toThrow(
        `It answered ${status}: redirects are not followed.`,
      )
    }
    expect(inner).toBe(0)
  })

  it('is given up on when nothing is answered in time', async () => {
    const silent = createTcpServer(() => undefined).listen(0, '127.0.0.1')
    servers.push(silent)
    await once(silent, 'listening')
    const sender = createWebhookSender({ privateAllowed: loopback, secondsMax: 0.2 })
    const { port } = silent.address() as AddressInfo
    await expect(sender.post(request(`http://127.0.0.1:${port}/`))).rejects.toThrow(
      'It did not answer in time.',
    )
  })

  it('does not read an answer without end', async () => {
    let closed: (() => void) | undefined
    const ended = new Promise<void>((resolve) => {
      closed = resolve
    })
    const port = await listen((_request, response) => {
      response.writeHead(200)
      const timer = setInterval(() => response.write(Buffer.alloc(16_384)), 1)
      response.on('close', () => {
        clearInterval(timer)
        closed?.()
      })
    })
    const sender = createWebhookSender({ privateAllowed: loopback })
    await sender.post(request(`http://127.0.0.1:${port}/`))
    await ended
  })

  it('says what failed without a word of the answer', async () => {
    const port = await listen((_request, response) => {
      response.writeHead(500).end('canary of the inside')
    })
    const sender = createWebhookSender({ privateAllowed: loopback })
    await expect(sender.post(request(`http://127.0.0.1:${port}/`))).rejects.toThrow(/^It answered 500\.$/)
    await expect(sender.post(request('http://127.0.0.1:1/'))).rejects.toThrow(
      /^It cannot be reached \(ECONNREFUSED\)\.$/,
    )
  })
})
