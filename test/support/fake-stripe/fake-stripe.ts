import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { answer } from './api.ts'
import { createDeliveries, type Deliveries } from './deliver.ts'
import { broken, keyInUse, keyReused, rateLimited, StripeFault, unauthorized } from './errors.ts'
import { parseForm, textOf } from './form.ts'
import { attach, newMethod, paySession } from './money.ts'
import { payPage, plainPage, portalPage } from './page.ts'
import { createState, type Session, type State } from './state.ts'

/** What is to go wrong with the next calls that match. */
export interface Trouble {
  /** Method and path, for example `POST /v1/refunds`. */
  match: RegExp
  /**
   * `lost`: it is done, and the answer never arrives. `rateLimited` and `broken`: it is not done. `slow`: it is done
   * after the promise resolves.
   */
  kind: 'lost' | 'rateLimited' | 'broken' | 'slow'
  times: number
  until?: Promise<unknown>
}

/**
 * A fake of Stripe, for tests: the part of its API that Reef uses, with state, idempotency keys, errors in Stripe's own
 * shapes, pages, and events that are signed by Stripe's own library. Nothing of it is in the product.
 */
export interface FakeStripe {
  url: string
  secretKey: string
  webhookSecret: string
  state: State
  deliveries: Deliveries
  /** Added to and used up. */
  troubles: Trouble[]
  /** Method and path of every call, oldest first. */
  calls: string[]
  /** The settings of a Reef that sells by this. */
  environment: Record<string, string>
  /** The session behind a page's address. */
  sessionAt(pageUrl: string): Session
  close(): Promise<void>
}

interface KeptAnswer {
  request: string
  status: number
  body: string
}

export async function startFakeStripe(): Promise<FakeStripe> {
  const secretKey = `sk_test_${randomBytes(12).toString('hex')}`
  const webhookSecret = `whsec_${randomBytes(16).toString('hex')}`
  const deliveries = createDeliveries(webhookSecret)
  const kept = new Map<string, KeptAnswer | 'underWay'>()
  const server = createServer((request, response) => {
    serve(request, response).catch(() => response.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const state = createState(url, (event) => deliveries.add(event))
  const fake: FakeStripe = {
    url,
    secretKey,
    webhookSecret,
    state,
    deliveries,
    troubles: [],
    calls: [],
    environment: {
      STRIPE_SECRET_KEY: secretKey,
      STRIPE_WEBHOOK_SECRET: webhookSecret,
      STRIPE_API_BASE: url,
    },
    sessionAt: (pageUrl) => {
      const session = state.sessions.get(new URL(pageUrl).pathname.split('/').at(-1) ?? '')
      if (!session) throw new Error(`${pageUrl} is no page of this fake`)
      return session
    },
    close: async () => {
      await deliveries.idle()
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }

  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const body = Buffer.concat(chunks).toString()
    const { pathname, searchParams } = new URL(request.url ?? '/', url)
    if (!pathname.startsWith('/v1/')) return servePage(request, response, pathname, body)
    const call = `${request.method} ${pathname}`
    fake.calls.push(call)
    const trouble = take(fake.troubles, call)
    if (trouble?.kind === 'slow') await holdKey(request, trouble)
    const result = run(request, { call, pathname, searchParams, body }, trouble)
    if (trouble?.kind === 'lost') {
      response.destroy()
      return
    }
    response.writeHead(result.status, {
      'content-type': 'application/json',
      'request-id': `req_${randomBytes(7).toString('hex')}`,
      ...result.headers,
    })
    response.end(result.body)
  }

  /** Whoever comes with the same key meanwhile is told that it is in use. */
  const holdKey = async (request: IncomingMessage, trouble: Trouble): Promise<void> => {
    const key = String(request.headers['idempotency-key'] ?? '')
    kept.set(key, 'underWay')
    await trouble.until
    kept.delete(key)
  }

  const run = (
    request: IncomingMessage,
    {
      call,
      pathname,
      searchParams,
      body,
    }: { call: string; pathname: string; searchParams: URLSearchParams; body: string },
    trouble: Trouble | undefined,
  ): { status: number; body: string; headers: Record<string, string> } => {
    const key = request.method === 'POST' ? String(request.headers['idempotency-key'] ?? '') : ''
    try {
      if (request.headers.authorization !== `Bearer ${secretKey}`) throw unauthorized()
      if (trouble?.kind === 'rateLimited') throw rateLimited()
      if (trouble?.kind === 'broken') throw broken()
      const known = kept.get(key)
      if (known === 'underWay') throw keyInUse(key)
      const asked = createHash('sha256').update(`${call}\n${body}`).digest('hex')
      if (known && known.request !== asked) throw keyReused(key)
      if (known) return { ...known, headers: { 'idempotent-replayed': 'true' } }
      const result = perform(request.method ?? '', pathname, searchParams, body)
      if (key !== '') kept.set(key, { request: asked, ...result })
      return { ...result, headers: {} }
    } catch (error) {
      if (error instanceof StripeFault)
        return { status: error.status, body: JSON.stringify(error.body), headers: error.headers }
      throw error
    }
  }

  /** What came of it is kept under its key, errors too. */
  const perform = (method: string, path: string, query: URLSearchParams, body: string) => {
    try {
      return {
        status: 200,
        body: JSON.stringify(answer(state, { method, path, query, body: parseForm(body) })),
      }
    } catch (error) {
      if (error instanceof StripeFault) return { status: error.status, body: JSON.stringify(error.body) }
      throw error
    }
  }

  const servePage = (
    request: IncomingMessage,
    response: ServerResponse,
    path: string,
    body: string,
  ): void => {
    const [, kind, id = ''] = /^\/(pay|portal)\/([^/]+)$/.exec(path) ?? []
    const session = kind === 'pay' ? state.sessions.get(id) : undefined
    const portal = kind === 'portal' ? state.portals.get(id) : undefined
    const page = (text: string) =>
      response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end(text)
    const card = request.method === 'POST' ? (textOf(parseForm(body).card) ?? '') : null
    if (portal) {
      if (card !== null) attach(state, newMethod(state, card), portal.customer)
      page(portalPage(portal, cardsOf(state, portal.customer)))
      return
    }
    if (!session) {
      page(plainPage('Receipt'))
      return
    }
    const paying = card !== null
    const problem = paying ? paySession(state, session, card) : null
    if (!paying || problem !== null) {
      page(payPage(session, problem))
      return
    }
    response.writeHead(303, { location: session.success_url }).end()
  }

  return fake
}

function cardsOf(state: State, customerId: string) {
  return [...state.methods.values()].filter(({ customer }) => customer === customerId)
}

function take(troubles: Trouble[], call: string): Trouble | undefined {
  const found = troubles.find((trouble) => trouble.match.test(call) && trouble.times > 0)
  if (found) found.times -= 1
  return found
}
