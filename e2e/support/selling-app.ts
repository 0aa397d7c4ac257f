import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Browser, Page } from 'playwright-core'
import { signUp, type TestClient } from '../../test/support/client.ts'
import { type FakeStripe, startFakeStripe } from '../../test/support/fake-stripe/fake-stripe.ts'
import { ensureDashboard, openBrowser, openPage } from './browser.ts'
import { type PretendedApp, startPretendedApp } from './pretended-app.ts'

export const password = 'correct horse battery'

/** A Reef on pretended machines that sells by a pretended Stripe, and browsers of several people in front of it. */
export interface SellingApp {
  readonly app: PretendedApp
  readonly fake: FakeStripe
  /** Whoever signs up first operates the Reef: grace@example.com. */
  readonly operator: TestClient
  /** Where alerts can be posted to, and what was. */
  readonly hookUrl: string
  readonly posted: { signature: string; body: string }[]
  /** What pages have met. */
  readonly errors: string[]
  /** With cookies of its own. */
  openPage(): Promise<Page>
  end(): Promise<void>
}

export async function startSellingApp(chromium: string): Promise<SellingApp> {
  await ensureDashboard()
  const posted: SellingApp['posted'] = []
  const receiver = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const signature = String(request.headers['reef-signature'])
    posted.push({ signature, body: Buffer.concat(chunks).toString() })
    response.writeHead(204).end()
  }).listen(0, '127.0.0.1')
  await once(receiver, 'listening')
  const fake = await startFakeStripe()
  const app = await startPretendedApp({
    ...fake.environment,
    REEF_CREDIT_PACKS: '500=5,1000=10',
    REEF_WEBHOOK_PRIVATE_NETWORKS: '127.0.0.0/8',
  })
  fake.deliveries.endpoint = `${app.url}/api/payments/stripe/webhook`
  const operator = await signUp(app.url, app.proxyUrl, 'grace@example.com')
  // Model calls come from some slot.
  await operator.provision()
  const browser: Browser = await openBrowser(chromium)
  const errors: string[] = []
  return {
    app,
    fake,
    operator,
    hookUrl: `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hook`,
    posted,
    errors,
    openPage: async () => {
      const page = await openPage(browser)
      page.setDefaultTimeout(20_000)
      page.on('pageerror', (error) => errors.push(error.message))
      return page
    },
    end: async () => {
      await browser.close()
      await app.end()
      await fake.close()
      receiver.close()
    },
  }
}

export async function logIn(page: Page, url: string, email: string): Promise<void> {
  await page.goto(url)
  await page.getByLabel('E-mail').fill(email)
  await page.getByLabel('Password').fill(password)
  await page.getByRole('button', { name: 'Log in' }).click()
  await page.getByRole('navigation', { name: 'Main' }).waitFor()
}
