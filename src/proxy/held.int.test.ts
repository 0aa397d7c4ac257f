import { once } from 'node:events'
import { get, type IncomingMessage } from 'node:http'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { clearInstances } from '../../test/support/control-plane.ts'
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts'
import { eventually } from '../../test/support/eventually.ts'
import { type Sleeper, startSleeper } from '../../test/support/sleeper.ts'
import { holdForCredits } from '../domain/credits/holds.ts'

describe('an instance that nobody pays for', () => {
  let database: TestDatabase
  let sleeper: Sleeper

  beforeAll(async () => {
    database = await createTestDatabase()
  })
  afterEach(async () => {
    await sleeper.close()
    await clearInstances(database)
  })
  afterAll(() => database.drop())

  const hold = async (): Promise<void> => {
    const held = await database.asSystem((trx) => holdForCredits(trx, sleeper.person.organizationId))
    expect(held).toEqual([sleeper.instance.id])
  }
  const boots = () => [...sleeper.plane.machines.machines.values()].map(({ boots }) => boots)

  it.each(['suspended', 'stopped'] as const)(
    'that is %s is refused with the remedy, and not woken',
    async (rung) => {
      sleeper = await startSleeper(database)
      await sleeper.sleep(rung)
      await hold()
      const response = await sleeper.ask()
      expect(response.status).toBe(402)
      expect(await response.json()).toEqual({
        error: { code: 'credits_exhausted', message: expect.stringContaining('Buy credits') },
      })
      await sleeper.until('stopped')
      expect(boots()).toEqual([1])
    },
  )

  it('is refused as soon as the proxy knows, while it is still ending', async () => {
    sleeper = await startSleeper(database)
    expect((await sleeper.ask()).status).toBe(200)
    await hold()
    // What the proxy found out before may be a quarter of a second old.
    await eventually(async () => expect((await sleeper.ask()).status).toBe(402), 2_000)
    expect((await sleeper.ask()).status).toBe(402)
  })

  it('shows a browser a page with the same words, and takes no WebSocket', async () => {
    sleeper = await startSleeper(database)
    await hold()
    const { proxy, host, cookie } = sleeper
    const headers = { host, cookie, 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' }
    const [page] = (await once(get({ port: proxy.port, host: '127.0.0.1', headers }), 'response')) as [
      IncomingMessage,
    ]
    expect(page.statusCode).toBe(402)
    expect(page.headers['content-type']).toContain('text/html')
    const text = (await page.toArray()).join('')
    expect(text).toContain('There are not enough credits')
    expect(text).toContain('Buy credits')
    // Nothing passes by itself, so the page does not ask again and again.
    expect(text).not.toContain('http-equiv="refresh"')
    const socket = new WebSocket(`ws://127.0.0.1:${proxy.port}/`, {
      headers: { host, cookie, origin: `http://${host}` },
    })
    const [, refusal] = (await once(socket, 'unexpected-response')) as [unknown, IncomingMessage]
    expect(refusal.statusCode).toBe(402)
    // It says so once more that it was not let in.
    socket.on('error', () => undefined)
    socket.terminate()
  })
})
