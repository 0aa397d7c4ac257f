import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { WebSocket } from 'ws'
import type { Authenticator, Principal } from '../../src/domain/accounts/principal.ts'
import type { Instance } from '../../src/domain/instances/instance.ts'
import { unauthenticated } from '../../src/errors.ts'
import {
  createPerson,
  eventually,
  startControlPlane,
  type TestControlPlane,
  type TestControlPlaneOptions,
} from './control-plane.ts'
import type { TestDatabase } from './database.ts'
import { startProxy, startUpstream, type TestProxy, type TestUpstream } from './proxy.ts'

type SleepRung = 'suspended' | 'frozen' | 'frozen_on_disk' | 'stopped'

/** One person's instance behind a real proxy, on a pretended machine whose supervisor is silent while it stands still. */
export interface Sleeper {
  person: Principal
  instance: Instance
  plane: TestControlPlane
  proxy: TestProxy
  upstream: TestUpstream
  /** Base URL of the instance's own address, and a Cookie header that lets its owner in there. */
  host: string
  cookie: string
  until(status: Instance['status']): Promise<Instance>
  /** Lets the ladder put it on that rung now, and waits until it is there. */
  sleep(rung: SleepRung): Promise<void>
  /** The same without waiting. */
  letDown(rung: SleepRung): Promise<void>
  /** What a WebSocket of the instance's own page answers to a message. */
  echo(message: string): Promise<string>
  /** As the owner's OpenAI client would. */
  ask(path?: string, init?: RequestInit): Promise<Response>
  close(): Promise<void>
}

export type SleeperOptions = TestControlPlaneOptions & {
  holdSeconds?: number
  /** How long the proxy uses again what it knows; not at all without it. */
  rememberedMilliseconds?: number
}

export async function startSleeper(database: TestDatabase, options: SleeperOptions = {}): Promise<Sleeper> {
  const upstream = await startUpstream()
  const plane = await startControlPlane(database.loginUrl, {
    idle: { suspended: null },
    addressOf: () => upstream.url,
    ...options,
  })
  const person = await createPerson(database)
  const { id } = await plane.service.provision(person, {})
  const until: Sleeper['until'] = (status) =>
    eventually(
      () => plane.service.get(person, id),
      (instance) => instance.status === status,
    )
  const instance = await until('running')
  const proxy = await proxyTo(plane, person, options)
  const isStill = (): boolean => [...plane.machines.machines.values()].some((machine) => machine.suspended)
  upstream.onRequest = whileAwake(isStill, (response) => response.end('hello'))
  const cookie = proxy.cookieOf({ userId: person.userId, instanceId: id, slug: instance.slug })
  const letDown: Sleeper['letDown'] = async (rung) => {
    await database.asSystem((trx) =>
      trx
        .updateTable('instances')
        .set({ rung, rung_since: new Date(), next_reconcile_at: new Date() })
        .where('id', '=', id)
        .execute(),
    )
    await plane.reconciler.settle(id)
  }
  const host = `${instance.slug}.localhost:${proxy.port}`
  return {
    person,
    instance,
    plane,
    proxy,
    upstream,
    host,
    cookie,
    echo: async (message) => {
      const headers = { host, cookie, origin: `http://${host}` }
      const socket = new WebSocket(`ws://127.0.0.1:${proxy.port}/`, { headers })
      await once(socket, 'open')
      socket.send(message)
      const [answer] = await once(socket, 'message')
      socket.terminate()
      return String(answer)
    },
    until,
    letDown,
    sleep: async (rung) => {
      await letDown(rung)
      await until(rung === 'stopped' ? 'stopped' : 'suspended')
    },
    ask: (path = '/v1/models', init = {}) =>
      fetch(`${proxy.url}${path}`, { ...init, headers: { authorization: 'Bearer good', ...init.headers } }),
    close: async () => {
      await proxy.close()
      await plane.close()
      await upstream.close()
    },
  }
}

function proxyTo(
  plane: TestControlPlane,
  person: Principal,
  { holdSeconds = 10, rememberedMilliseconds = 0 }: SleeperOptions,
): Promise<TestProxy> {
  const authenticator: Authenticator = {
    authenticate: async ({ authorization }) => {
      if (authorization !== 'Bearer good') throw unauthenticated('invalid_credential', 'Log in again.')
      return person
    },
  }
  return startProxy('http://127.0.0.1:9', {
    authenticator,
    targets: plane.targets,
    attendance: plane.attendance,
    limits: { holdSeconds, rememberedMilliseconds },
  })
}

/** What stands still takes connections and answers nothing until it goes on, as a paused machine's kernel does. */
function whileAwake(isStill: () => boolean, answer: (response: ServerResponse) => void) {
  return (_: IncomingMessage, response: ServerResponse): void => {
    const attempt = (): void => {
      if (isStill()) setTimeout(attempt, 5)
      else answer(response)
    }
    attempt()
  }
}
