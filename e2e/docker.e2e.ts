import { readFile } from 'node:fs/promises'
import { request } from 'node:https'
import type { LookupFunction } from 'node:net'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { untilPoolHas } from '../bench/support/docker-reef.ts'
import { requireComponent } from '../test/support/components.ts'
import { readReefId, removeOwn } from '../test/support/docker.ts'
import { eventually } from '../test/support/eventually.ts'
import { freePort } from '../test/support/free-port.ts'
import { type ReefProcess, startReefProcess } from '../test/support/reef-process.ts'
import { collectErrors, ensureDashboard, openBrowser, openPage, picture } from './support/browser.ts'
import { dashboard } from './support/dashboard.ts'

const chromium = requireComponent('chromium')
const person = { name: 'Ada Lovelace', email: 'ada@example.com', password: 'correct horse battery' }
/** Browsers know that names below localhost are this machine; the system's resolver may not. */
const onThisMachine: LookupFunction = (_name, options, done) =>
  options.all ? done(null, [{ address: '127.0.0.1', family: 4 }]) : done(null, '127.0.0.1', 4)
const components = [chromium, requireComponent('images'), requireComponent('caddy')]

/**
 * What an operator's users meet: containers from the warm pool behind Caddy, over TLS, asleep when idle. The steps build
 * on each other. Needs the images: `npm run image`.
 */
describe.skipIf(components.includes(undefined))(
  'a person on Docker behind Caddy',
  { timeout: 240_000 },
  () => {
    let reef: ReefProcess
    let browser: Browser
    let page: Page
    let ui: ReturnType<typeof dashboard>
    let origin: string
    let httpsPort: number
    let authority: string
    let apiKey: string
    let errors: string[]

    beforeAll(async () => {
      await ensureDashboard()
      httpsPort = await freePort()
      origin = `https://localhost:${httpsPort}`
      reef = await startReefProcess({
        REEF_DRIVER: 'docker',
        POOL_SIZE: '1',
        REEF_PORT: String(await freePort()),
        REEF_INGRESS: 'caddy',
        REEF_INGRESS_TLS: 'internal',
        REEF_INGRESS_HTTP_PORT: String(await freePort()),
        REEF_INGRESS_HTTPS_PORT: String(httpsPort),
      })
      await untilPoolHas(reef.url, 1)
      authority = await readFile(
        join(reef.dataDirectory, 'caddy/storage/pki/authorities/local/root.crt'),
        'utf8',
      )
      browser = await openBrowser(chromium as string)
      // Chromium keeps its own list of authorities; that the certificate is right is checked by the clients below.
      page = await openPage(browser, { viewport: { width: 1280, height: 800 }, ignoreHTTPSErrors: true })
      errors = collectErrors(page)
      ui = dashboard(page, origin)
    }, 300_000)
    afterAll(async () => {
      await browser?.close()
      if (!reef) return
      const reefId = await readReefId(reef.dataDirectory)
      await reef.close()
      await removeOwn(reefId)
    }, 120_000)

    /** A plain client that trusts Caddy's own authority and nothing else. */
    const ask = (
      method: string,
      url: string,
      body?: object,
      credential = apiKey,
      cookie = '',
    ): Promise<{ status: number; type: string; cookie: string; text: string }> =>
      new Promise((done, fail) => {
        const sent = request(
          url,
          {
            method,
            ca: authority,
            lookup: onThisMachine,
            headers: {
              authorization: `Bearer ${credential}`,
              ...(cookie ? { cookie } : {}),
              ...(body ? { 'content-type': 'application/json' } : {}),
            },
          },
          (answer) => {
            let text = ''
            answer.setEncoding('utf8')
            answer.on('data', (chunk: string) => {
              text += chunk
            })
            answer.on('end', () =>
              done({
                status: answer.statusCode ?? 0,
                type: String(answer.headers['content-type']),
                cookie: answer.headers['set-cookie']?.[0]?.split(';', 1)[0] ?? '',
                text,
              }),
            )
          },
        )
        sent.on('error', fail)
        sent.end(body ? JSON.stringify(body) : undefined)
      })
    const chat = (stream: boolean) =>
      ask('POST', `${origin}/v1/chat/completions`, {
        model: 'openclaw',
        stream,
        messages: [{ role: 'user', content: 'hello' }],
      })
    const instance = async () =>
      JSON.parse((await ask('GET', `${origin}/api/status`)).text) as {
        id: string
        url: string
        status: string
        isolation: string
        sleep: { rung: string } | null
      }
    const fallAsleep = async () => {
      const { id } = await instance()
      expect((await ask('POST', `${origin}/api/instances/${id}/suspend`)).status).toBe(202)
      await eventually(async () => expect((await instance()).status).toBe('suspended'), 30_000)
    }

    it('signs up over TLS and gets a container of the warm pool with one click', async () => {
      await ui.signUp(person)
      await ui.button('Start my OpenClaw').click()
      await ui.message.waitFor({ timeout: 60_000 })
      // The pool's next container brings a network of its own, and a browser on the very same machine breaks off whatever
      // it loads when the machine's networks change.
      await untilPoolHas(reef.url, 1)
      expect(new URL(page.url()).origin).toBe(origin)
    })

    it('chats with the real OpenClaw, whose tools run in the container', async () => {
      await ui.say('Run ls')
      const answer = await ui.answer()
      await eventually(async () => expect(await answer.textContent()).toContain('AGENTS.md'), 30_000)
      await answer.getByRole('button', { name: /^Tool .*, done$/ }).click()
      await answer.getByText('Output', { exact: true }).waitFor()
      expect(await answer.textContent()).toContain('AGENTS.md')
      await picture(page, 'chat-on-docker')
    })

    it('opens the Control UI at an address of its own, over TLS and signed in', async () => {
      const opened = page.context().waitForEvent('page')
      await ui.button('Open Control UI').click()
      const control = await opened
      const message = control.getByRole('textbox').last()
      await message.waitFor({ timeout: 60_000 })
      expect(control.url()).toMatch(new RegExp(`^https://ada-lovelace[^/]*\\.localhost:${httpsPort}/`))
      await control.close()
    })

    it('makes a key, with which any client chats through Caddy', async () => {
      await ui.goTo('Settings')
      await ui.button('Create key').click()
      await page.getByLabel('Key name').fill('laptop')
      for (const scope of ['instances:read', 'instances:write']) await page.getByLabel(scope).check()
      await ui.button('Create API key').click()
      apiKey = (await page.getByLabel('API key', { exact: true }).textContent()) ?? ''
      await ui.button('Done').click()
      expect(await instance()).toMatchObject({ status: 'running', isolation: 'container' })
      expect(await chat(false)).toMatchObject({ status: 200, text: expect.stringContaining('Hello') })
    })

    it('is woken by a plain request', async () => {
      await fallAsleep()
      expect(await chat(false)).toMatchObject({ status: 200, text: expect.stringContaining('Hello') })
    })

    it('is woken by a request for an event stream', async () => {
      await fallAsleep()
      const answer = await chat(true)
      expect([answer.status, answer.type]).toEqual([200, expect.stringContaining('text/event-stream')])
      expect(answer.text).toContain('[DONE]')
    })

    it('is woken by the upgrade to a WebSocket', async () => {
      const { id, url } = await instance()
      // A visitor who has not dialled yet: a tab that merely dials anew wakes nobody.
      const { accessToken } = JSON.parse(
        (await ask('POST', `${origin}/api/auth/log-in`, { email: person.email, password: person.password }))
          .text,
      ) as { accessToken: string }
      const made = await ask('POST', `${origin}/api/instances/${id}/visit`, {}, accessToken)
      const visit = JSON.parse(made.text) as { url: string }
      const { cookie } = await ask('GET', visit.url)
      await ask('GET', url, undefined, accessToken, cookie)
      await fallAsleep()
      const socket = new WebSocket(url.replace(/^https/, 'wss'), {
        ca: authority,
        lookup: onThisMachine,
        origin: new URL(url).origin,
        headers: { cookie },
      })
      await new Promise<void>((done, fail) => {
        socket.on('open', () => done())
        socket.on('error', fail)
      })
      socket.terminate()
      await eventually(async () => expect((await instance()).status).toBe('running'), 30_000)
    })

    it('is woken by a click in the browser', async () => {
      await fallAsleep()
      await ui.goTo('Chat')
      await ui.say('hello')
      expect(await (await ui.answer()).textContent()).toContain('demo model')
    })

    it('stays stopped when its owner stopped it, whatever comes', async () => {
      const { id, url } = await instance()
      await ask('POST', `${origin}/api/instances/${id}/stop`)
      await eventually(async () => expect((await instance()).status).toBe('stopped'), 60_000)
      expect((await chat(false)).status).toBe(503)
      expect((await ask('GET', url)).status).not.toBe(200)
      expect((await instance()).status).toBe('stopped')
    })

    it('met no error on the way', () => {
      expect(errors).toEqual([])
    })
  },
)
