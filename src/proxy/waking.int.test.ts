import { once } from 'node:events'
import { get } from 'node:http'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { clearInstances } from '../../test/support/control-plane.ts'
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
    const { sleep, proxy, host, cookie } = await start()
    await sleep('suspended')
    const socket = new WebSocket(`ws://127.0.0.1:${proxy.port}/`, {
      headers: { host, cookie, origin: `http://${host}` },
    })
    await once(socket, 'open')
    socket.send('are you awake?')
    const [answer] = await once(socket, 'message')
    expect(String(answer)).toBe('are you awake?')
    socket.terminate()
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
