import { once } from 'node:events'
import { get, type IncomingMessage, request as requestHttp } from 'node:http'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { clearInstances, eventually } from '../../test/support/control-plane.ts'
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts'
import { type SupervisedSleeper, startSupervisedSleeper } from '../../test/support/supervised-sleeper.ts'

// The supervisor's own port server stands between proxy and OpenClaw. That the proxy has not heard yet that the instance
// stops is brought about by what it remembers, which is good for a minute here.
describe('a request in the moment in which its instance stops', () => {
  let database: TestDatabase
  let sleeper: SupervisedSleeper

  beforeAll(async () => {
    database = await createTestDatabase()
  })
  afterEach(async () => {
    await sleeper.close()
    await clearInstances(database)
  })
  afterAll(() => database.drop())

  /** Known to the proxy as running, and draining for the ladder. */
  const startDraining = async (): Promise<void> => {
    sleeper = await startSupervisedSleeper(database)
    expect((await sleeper.ask()).status).toBe(200)
    expect(await visit()).toBe(200)
    sleeper.drain()
  }
  const visit = async (navigates = false): Promise<number | undefined> => {
    const { proxy, host, cookie } = sleeper
    const headers = {
      host,
      cookie,
      ...(navigates ? { accept: 'text/html', 'sec-fetch-mode': 'navigate' } : {}),
    }
    const [response] = (await once(get({ host: '127.0.0.1', port: proxy.port, headers }), 'response')) as [
      IncomingMessage,
    ]
    response.resume()
    return response.statusCode
  }
  const post = (body: string) => sleeper.ask('/v1/chat/completions', { method: 'POST', body })
  const boots = () => [...sleeper.plane.machines.machines.values()].map((machine) => machine.boots)

  it('is held, wakes it and is answered, with what it carried', async () => {
    await startDraining()
    await sleeper.sleep('stopped')
    const response = await post('{"stream":false}')
    expect([response.status, await response.text()]).toEqual([200, 'POST {"stream":false}'])
    expect(boots()).toEqual([2])
    expect(sleeper.upstream.seen.filter(({ method }) => method === 'POST')).toHaveLength(1)
  })

  it('is held when its supervisor stops before anybody says why', async () => {
    await startDraining()
    const before = sleeper.asked
    const answer = post('{}')
    // Looking anew says that it runs, so it is sent again.
    await eventually(
      async () => sleeper.asked,
      (asked) => asked >= before + 3,
    )
    await sleeper.letDown('stopped')
    const response = await answer
    expect([response.status, await response.text()]).toEqual([200, 'POST {}'])
    expect(boots()).toEqual([2])
  })

  it('is held with a long body too, of which the supervisor had taken some', async () => {
    await startDraining()
    await sleeper.sleep('stopped')
    const body = Array.from({ length: 40_000 }, (_, index) => `line ${index}\n`).join('')
    const response = await post(body)
    expect([response.status, await response.text()]).toEqual([200, `POST ${body}`])
  })

  it('is told to come again when more of its body was taken than is kept', async () => {
    await startDraining()
    const { proxy } = sleeper
    const request = requestHttp({
      host: '127.0.0.1',
      port: proxy.port,
      method: 'POST',
      path: '/v1/chat/completions',
      headers: { authorization: 'Bearer good', 'transfer-encoding': 'chunked' },
    })
    request.on('error', () => undefined)
    const answered = once(request, 'response') as Promise<[IncomingMessage]>
    // As fast as it is taken, without an end.
    const chunk = Buffer.alloc(64 * 1024, 'x')
    const pour = (): void => {
      while (request.writable && request.write(chunk));
      request.once('drain', pour)
    }
    pour()
    const [response] = await answered
    const text = (await response.toArray()).join('')
    request.destroy()
    expect(response.statusCode).toBe(503)
    expect(JSON.parse(text)).toMatchObject({ error: { code: 'instance_starting' } })
  })

  it('is held as an event stream', async () => {
    await startDraining()
    await sleeper.sleep('stopped')
    const response = await post('{"stream":true}')
    expect(response.headers.get('content-type')).toBe('text/event-stream')
    expect(await response.text()).toBe('data: awake\n\n')
  })

  it('is held as a WebSocket upgrade', async () => {
    await startDraining()
    await sleeper.sleep('stopped')
    expect(await sleeper.echo('are you awake?')).toBe('are you awake?')
    expect(boots()).toEqual([2])
  })

  it('is held as a page that a browser opens', async () => {
    await startDraining()
    await sleeper.sleep('stopped')
    expect(await visit(true)).toBe(200)
  })

  it('is refused when a person stopped it, which stays so', async () => {
    await startDraining()
    const { plane, person, instance, until, proxy, host, cookie } = sleeper
    await plane.service.stop(person, instance.id)
    const response = await post('{}')
    expect(response.status).toBe(503)
    expect(await response.json()).toMatchObject({ error: { code: 'instance_stopped' } })
    const socket = new WebSocket(`ws://127.0.0.1:${proxy.port}/`, {
      headers: { host, cookie, origin: `http://${host}` },
    })
    const [, refusal] = (await once(socket, 'unexpected-response')) as [unknown, IncomingMessage]
    expect(refusal.statusCode).toBe(503)
    // It says so once more that it was not let in.
    socket.on('error', () => undefined)
    socket.terminate()
    expect((await until('stopped')).desiredState).toBe('stopped')
    expect(boots()).toEqual([1])
  })

  it('is believed of the supervisor alone: the same words from OpenClaw are an answer', async () => {
    sleeper = await startSupervisedSleeper(database)
    sleeper.upstream.onRequest = (_, response) => {
      response.writeHead(503, { 'x-reef-refused': 'draining', 'x-other': 'kept' })
      response.end('of OpenClaw')
    }
    const response = await post('{}')
    expect([response.status, await response.text()]).toEqual([503, 'of OpenClaw'])
    expect(response.headers.get('x-other')).toBe('kept')
    expect(response.headers.get('x-reef-refused')).toBeNull()
    expect(sleeper.asked).toBe(1)
  })
})
