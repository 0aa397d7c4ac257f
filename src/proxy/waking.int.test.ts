import { once } from 'node:events'
import { get } from 'node:http'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { clearInstances, eventually } from '../../test/support/control-plane.ts'
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts'
import { type Sleeper, startSleeper } from '../../test/support/sleeper.ts'

describe('a sleeping instance', () => {
  let database: TestDatabase
  let sleeper: Sleeper | undefined

  beforeAll(async () => {
    database = await createTestDatabase()
  })
  afterEach(async () => {
    await sleeper?.close()
    sleeper = undefined
    await clearInstances(database)
  })
  afterAll(() => database.drop())

  const start = async (options?: Parameters<typeof startSleeper>[1]): Promise<Sleeper> => {
    sleeper = await startSleeper(database, options)
    return sleeper
  }
  const boots = () => [...(sleeper as Sleeper).plane.machines.machines.values()].map(({ boots }) => boots)

  it.each(['suspended', 'frozen', 'frozen_on_disk', 'stopped'] as const)(
    'that is %s wakes for an HTTP request, which is held and answered',
    async (rung) => {
      const { sleep, ask, until } = await start()
      await sleep(rung)
      const response = await ask()
      expect([response.status, await response.text()]).toEqual([200, 'hello'])
      expect((await until('running')).sleep).toBeNull()
      expect(boots()).toEqual([rung === 'stopped' ? 2 : 1])
    },
  )

  it('wakes for an event stream', async () => {
    const { sleep, ask, upstream } = await start()
    await sleep('frozen')
    upstream.onRequest = (_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.end('data: awake\n\n')
    }
    const response = await ask('/v1/chat/completions', { method: 'POST', body: '{"stream":true}' })
    expect(await response.text()).toBe('data: awake\n\n')
  })

  it('wakes for a WebSocket upgrade', async () => {
    const { sleep, echo } = await start()
    await sleep('suspended')
    expect(await echo('are you awake?')).toBe('are you awake?')
  })

  it('wakes for a browser that opens its address', async () => {
    const { sleep, host, cookie, proxy } = await start()
    await sleep('suspended')
    const headers = { host, cookie, accept: 'text/html', 'sec-fetch-mode': 'navigate' }
    const request = get({ host: '127.0.0.1', port: proxy.port, path: '/', headers })
    const [response] = await once(request, 'response')
    response.resume()
    expect(response.statusCode).toBe(200)
  })

  it('that has to boot shows a browser a page meanwhile, which looks again by itself', async () => {
    const { sleep, host, cookie, proxy, until } = await start({ bootMilliseconds: 1_000, holdSeconds: 0.2 })
    await sleep('stopped')
    const open = async () => {
      const headers = { host, cookie, accept: 'text/html', 'sec-fetch-mode': 'navigate' }
      const request = get({ host: '127.0.0.1', port: proxy.port, path: '/', headers })
      const [response] = await once(request, 'response')
      let body = ''
      for await (const chunk of response) body += chunk
      return { status: response.statusCode, body }
    }
    const page = await open()
    expect(page.status).toBe(503)
    expect(page.body).toContain('Your OpenClaw is starting')
    expect(page.body).toContain('<meta http-equiv="refresh" content="3">')
    await until('running')
    await eventually(open, ({ status }) => status === 200)
  })

  it('is not woken by a tab that dials anew by itself, and is when its page is opened again', async () => {
    const { sleep, until, host, cookie, proxy } = await start()
    const dial = async (): Promise<number> => {
      const socket = new WebSocket(`ws://127.0.0.1:${proxy.port}/`, {
        headers: { host, cookie, origin: `http://${host}`, 'sec-fetch-mode': 'websocket' },
      })
      const status = await Promise.race([
        once(socket, 'open').then(() => 101),
        once(socket, 'unexpected-response').then(([, response]) => response.statusCode as number),
      ])
      socket.on('error', () => undefined)
      socket.terminate()
      return status
    }
    const fetchPage = async (mode: string): Promise<number> => {
      const headers = { host, cookie, accept: 'text/html', 'sec-fetch-mode': mode }
      const request = get({ host: '127.0.0.1', port: proxy.port, path: '/', headers })
      const [response] = await once(request, 'response')
      response.resume()
      return response.statusCode
    }
    expect([await fetchPage('navigate'), await dial()]).toEqual([200, 101])
    await sleep('suspended')
    await eventually(dial, (status) => status === 503)
    expect([await dial(), await fetchPage('cors'), await dial()]).toEqual([503, 503, 503])
    expect((await until('suspended')).sleep?.rung).toBe('suspended')
    expect([await fetchPage('navigate'), await dial()]).toEqual([200, 101])
  })

  it('wakes for a channel’s webhook, which comes without a cookie and keeps its own credential', async () => {
    const { sleep, host, proxy, upstream, until, instance } = await start()
    await sleep('suspended')
    const call = async (path: string): Promise<number> => {
      const headers = {
        host,
        authorization: 'Bearer of-the-hook',
        'x-slack-signature': 'v0=1',
        cookie: 'a=b',
      }
      const request = get({ host: '127.0.0.1', port: proxy.port, path, headers, method: 'POST' })
      const [response] = await once(request, 'response')
      response.resume()
      return response.statusCode
    }
    // Any other path asks for a visitor, and wakes nobody.
    expect(await call('/slack')).toBe(401)
    expect((await until('suspended')).id).toBe(instance.id)
    expect(await call('/hooks/agent')).toBe(200)
    expect(upstream.seen.at(-1)).toMatchObject({
      url: '/hooks/agent',
      headers: {
        'x-reef-route': 'webhook',
        authorization: 'Bearer of-the-hook',
        'x-slack-signature': 'v0=1',
      },
    })
    expect(upstream.seen.at(-1)?.headers).not.toHaveProperty('x-reef-user')
  })

  it('wakes for a webhook that came just as it fell asleep, and lies in a machine that stands still', async () => {
    const { sleep, host, proxy, until } = await start({ rememberedMilliseconds: 60_000 })
    const call = async (): Promise<number> => {
      const request = get({
        host: '127.0.0.1',
        port: proxy.port,
        path: '/hooks/agent',
        headers: { host },
        method: 'POST',
      })
      const [response] = await once(request, 'response')
      response.resume()
      return response.statusCode
    }
    const readActivity = () =>
      database.asSystem((trx) =>
        trx.selectFrom('instances').select('last_active_at as at').executeTakeFirstOrThrow(),
      )
    const before = await readActivity()
    expect(await call()).toBe(200)
    // That it was used is written a moment after the answer, and nobody would let it down before.
    await eventually(readActivity, ({ at }) => at > before.at)
    await sleep('suspended')
    expect(await call()).toBe(200)
    expect((await until('running')).sleep).toBeNull()
  })

  it('is not woken by traffic when a person stopped it, and says so', async () => {
    const { plane, person, instance, ask, until } = await start()
    await plane.service.stop(person, instance.id)
    await until('stopped')
    const response = await ask()
    expect(response.status).toBe(503)
    expect(await response.json()).toMatchObject({ error: { code: 'instance_stopped' } })
    expect((await until('stopped')).sleep).toBeNull()
    expect(boots()).toEqual([1])
  })
})
