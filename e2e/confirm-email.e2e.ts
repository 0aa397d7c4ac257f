import type { Browser, Page, Route } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { requireComponent } from '../test/support/components.ts'
import { eventually } from '../test/support/eventually.ts'
import { startMailServer, type TestMailServer } from '../test/support/mail-server.ts'
import { ensureDashboard, openBrowser, openPage } from './support/browser.ts'
import { dashboard } from './support/dashboard.ts'
import { lookAt } from './support/looks.ts'
import { type PretendedApp, startPretendedApp } from './support/pretended-app.ts'

const chromium = requireComponent('chromium')

/** Somebody new where mail is sent. The steps build on each other. */
describe.skipIf(!chromium)('confirming an e-mail address', { timeout: 120_000 }, () => {
  let mailServer: TestMailServer
  let app: PretendedApp
  let browser: Browser
  let page: Page
  let link: string
  const banner = () => page.getByRole('status').filter({ hasText: 'Confirm your address' })
  const links = () =>
    mailServer.mails
      .filter(({ to }) => to[0] === 'ada@example.com')
      .map(({ text }) => /http:\S+\/verify-email#token=[\w-]{43}/.exec(text)?.[0] as string)

  beforeAll(async () => {
    await ensureDashboard()
    mailServer = await startMailServer()
    app = await startPretendedApp({ REEF_SMTP_URL: mailServer.url })
    // The first person operates this Reef; the next one is anybody.
    await fetch(`${app.url}/api/auth/sign-up`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ email: 'operator@example.com', password: 'correct horse battery', name: 'Op' }),
    })
    browser = await openBrowser(chromium as string)
    page = await openPage(browser)
    page.setDefaultTimeout(20_000)
  }, 120_000)
  afterAll(async () => {
    await browser?.close()
    await app?.end()
    await mailServer?.close()
  }, 60_000)

  it('is asked for above every page, with another mail for the asking', async () => {
    await dashboard(page, app.url).signUp({
      name: 'Ada Lovelace',
      email: 'ada@example.com',
      password: 'correct horse battery',
    })
    await banner().getByText('Your trial credits come with it.').waitFor()
    await lookAt(page, 'confirm-email')
    await eventually(() => expect(links()).toHaveLength(1))
    await banner().getByRole('button', { name: 'Send another mail' }).click()
    await page.getByText('Another mail is on its way to ada@example.com.').waitFor()
    await eventually(() => expect(links()).toHaveLength(2))
    link = links()[0] as string
  })

  it('works on another device, without a log-in, and once', async () => {
    const other = await openPage(browser)
    await other.goto(link)
    await other.getByText('Your e-mail address is confirmed.').waitFor()
    await other.getByRole('link', { name: 'Log in' }).waitFor()
    await other.reload()
    await other.getByText('This link was used before or is too old.', { exact: false }).waitFor()
    await other.close()
  })

  it('is asked for no more, and the trial credits are there', async () => {
    await page.reload()
    await page.getByRole('button', { name: 'Start my OpenClaw' }).waitFor()
    expect(await banner().count()).toBe(0)
    const books = await app.database.asSystem((trx) =>
      trx.selectFrom('ledger_books').select('granted').execute(),
    )
    // The operator's were there at once.
    expect(books).toEqual([{ granted: 500_000_000 }, { granted: 500_000_000 }])
  })

  it('stays logged in when the answer to its refresh was lost, as by a reload in that moment', async () => {
    let answered = 0
    const lose = async (route: Route) => {
      const request = route.request()
      const { cookie = '' } = await request.allHeaders()
      const answer = await fetch(request.url(), {
        method: 'POST',
        headers: { cookie, 'content-type': 'application/json' },
        body: request.postData(),
      })
      answered = answer.status
      await route.abort()
    }
    await page.route('**/api/auth/refresh', lose, { times: 1 })
    await page.reload()
    await eventually(() => expect(answered).toBe(200))
    await page.reload()
    await page.getByRole('button', { name: 'Start my OpenClaw' }).waitFor()
  })
})
