import { createFakeMachines } from '../../src/compute/fake/machines.ts'
import { createActivity } from '../../supervisor/activity.ts'
import type { Desired } from '../../supervisor/protocol.ts'
import { createPortServer, type PortServer } from '../../supervisor/server.ts'
import type { TestDatabase } from './database.ts'
import { testSecret } from './secret.ts'
import { type Sleeper, startSleeper } from './sleeper.ts'

/**
 * A sleeper on whose pretended machine the supervisor's real port server listens, a new one at its second boot. What is
 * upstream otherwise is the OpenClaw behind both. The proxy uses what it once knew for a minute.
 */
export interface SupervisedSleeper extends Sleeper {
  /** The first supervisor begins to stop: it takes on nothing new, and listens on. */
  drain(): void
  /** How many requests came to a supervisor. */
  readonly asked: number
}

export async function startSupervisedSleeper(database: TestDatabase): Promise<SupervisedSleeper> {
  const machines = createFakeMachines()
  let sleeper: Sleeper | undefined
  let slotId = ''
  let asked = 0
  const openPort = async (): Promise<{ server: PortServer; url: string }> => {
    const server = createPortServer({
      readDesired: () => {
        asked += 1
        return desiredOf(slotId, `http://${sleeper?.host}`)
      },
      readOpenClaw: () =>
        sleeper ? { port: Number(new URL(sleeper.upstream.url).port), password: 'internal' } : null,
      reachGateway: () => Promise.reject(new Error('there is no gateway')),
      activity: createActivity(),
      log: () => undefined,
    })
    return { server, url: `http://127.0.0.1:${await server.listen('127.0.0.1', 0)}` }
  }
  const first = await openPort()
  const second = await openPort()
  const started = await startSleeper(database, {
    machines,
    rememberedMilliseconds: 60_000,
    addressOf: (id) => {
      slotId = id
      return machines.machines.get(id)?.boots === 1 ? first.url : second.url
    },
  })
  sleeper = started
  started.upstream.onRequest = ({ method }, response, body) => {
    if (body.includes('"stream":true')) {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.end('data: awake\n\n')
    } else response.end(`${method} ${body}`)
  }
  return {
    ...started,
    drain: first.server.drain,
    get asked() {
      return asked
    },
    close: async () => {
      await started.close()
      await Promise.all([first.server.close(), second.server.close()])
    },
  }
}

function desiredOf(slotId: string, origin: string): Desired {
  return {
    run: 'run',
    graceSeconds: 1,
    restartGeneration: 0,
    models: {
      baseUrl: '/models/v1',
      apiKey: 'rmk_test',
      primary: 'demo/chat',
      offered: [],
      warmup: 'demo/chat',
    },
    proxyToken: testSecret.deriveToken('proxy token', slotId),
    owner: { instanceId: 'i', slug: 'ada', userNames: ['ada@example.com'], origins: [origin] },
  }
}
