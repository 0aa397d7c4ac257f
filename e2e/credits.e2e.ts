import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { requireComponent } from '../test/support/components.ts'
import { eventually } from '../test/support/eventually.ts'
import { type FakeStripe, startFakeStripe } from '../test/support/fake-stripe/fake-stripe.ts'
import { type ReefProcess, readReefLog, startReefProcess } from '../test/support/reef-process.ts'
import { ensureDashboard, openBrowser, openPage, picture } from './support/browser.ts'
import { dashboard } from './support/dashboard.ts'
import { lookAt } from './support/looks.ts'

const chromium = requireComponent('chromium')

const trialCredits = 60
/** A cold OpenClaw on a busy machine. */
const launchMillisecondsMax = 180_000
const turnsMax = 40

/**
 * A person chats until the credits are used up and buys more, in a real browser with the real OpenClaw; only Stripe is
 * pretended. The steps build on each other.
 */
describe.skipIf(!chromium)('a person and their credits', { timeout: 300_000 }, () => {
  let fake: FakeStripe
  let reef: ReefProcess
  let browser: Browser
  let page: Page
  let ui: ReturnType<typeof dashboard>
  const errors: string[] = []
  const tab = (name: string) => page.getByRole('navigation', { name: 'Credits' }).getByRole('link', { name })
  const usedUp = () =>
    page
      .getByRole('alert')
      .getByText(/The credits are used up|There are not enough credits/)
      .first()
  /** Of the only slot's OpenClaw. */
  const openclawPid = async (): Promise<number> => {
    const [slot] = await readdir(join(reef.dataDirectory, 'slots'))
    const file = join(reef.dataDirectory, 'slots', slot as string, 'openclaw.pid.json')
    return JSON.parse(await readFile(file, 'utf8')).pid
  }

  const openConversation = async (): Promise<void> => {
    await page
      .getByRole('link', { name: /My name is Ada/ })
      .first()
      .click()
    await page.getByRole('article', { name: 'You' }).first().getByText('My name is Ada.').waitFor()
  }

  /** As the navigation shows them. */
  const creditsShown = async (): Promise<number> => {
    const link = page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: /^Credits \d/ })
    return Number(((await link.textContent()) ?? '').replaceAll(/[^\d.]/g, ''))
  }

  beforeAll(async () => {
    await ensureDashboard()
    fake = await startFakeStripe()
    reef = await startReefProcess({
      POOL_SIZE: '0',
      REEF_IDLE_SUSPEND: 'off',
      REEF_TRIAL_CREDITS: String(trialCredits),
      ...fake.environment,
    })
    fake.deliveries.endpoint = `${reef.url}/api/payments/stripe/webhook`
    browser = await openBrowser(chromium as string)
    page = await openPage(browser)
    page.setDefaultTimeout(20_000)
    page.on('pageerror', (error) => errors.push(error.message))
    ui = dashboard(page, reef.url)
  }, 300_000)
  afterAll(async () => {
    await browser?.close()
    await reef?.close()
    await fake?.close()
  }, 120_000)

  it('begins with trial credits and is told what an instance costs before starting one', async () => {
    await ui.signUp({ name: 'Ada Lovelace', email: 'ada@example.com', password: 'correct horse battery' })
    await page.getByText('Costs 2 credits per hour running, 0.1 suspended.', { exact: false }).waitFor()
    expect(await creditsShown()).toBe(trialCredits)
    await ui.goTo('Credits')
    await page.getByRole('heading', { name: 'Buy credits' }).waitFor()
    await page.getByText('At zero the next model call is refused', { exact: false }).waitFor()
    await tab('Usage').click()
    await page.getByText('Nothing was used in this time').waitFor()
  })

  it('raises prices as the operator, in a new list', async () => {
    await page.goto(`${reef.url}/admin`)
    await ui.button('Change prices').click()
    // Of all models: who can still pay for another one is not stopped.
    for (const input of await page.getByLabel(/, (Read|From cache|To cache)$/).all()) await input.fill('500')
    await page.getByLabel('demo/reef-demo, Written').fill('a lot')
    await page.getByText('demo/reef-demo: output is no price', { exact: false }).waitFor()
    await page.getByLabel('demo/reef-demo, Written').fill('24')
    await ui.button('Publish prices').click()
    await page.getByText('List 2 is in force', { exact: false }).waitFor()
    await ui.goTo('Credits')
    await tab('Prices').click()
    await page.getByRole('row', { name: /^demo\/reef-demo.* 500 500 500 24/ }).waitFor()
    await lookAt(page, 'credits-prices')
  })

  it('chats, sees the balance fall, and what each model cost in a chart and in tables', async () => {
    await ui.goTo('Chat')
    await ui.launch()
    await ui.say('My name is Ada.')
    await ui.answer()
    await eventually(async () => expect(await creditsShown()).toBeLessThan(trialCredits), 30_000)
    await ui.goTo('Credits')
    await tab('Usage').click()
    await page.getByRole('figure', { name: /^Credits by day and model: at most [\d.]+ credits/ }).waitFor()
    await page.getByRole('row', { name: /^demo\/reef-demo/ }).waitFor()
    await page.getByText('The figures of each day').click()
    await page.getByRole('table', { name: 'Credits by day' }).getByRole('row').nth(1).waitFor()
    await lookAt(page, 'credits-usage')
    await ui.button('Member').click()
    await page.getByRole('row', { name: /^Ada Lovelace/ }).waitFor()
  })

  it('limits what may be spent in a day, and sees how much of it is', async () => {
    await tab('Budgets and alerts').click()
    await page.getByText('No budgets yet').waitFor()
    await ui.button('Add budget').click()
    const dialog = page.getByRole('dialog')
    await dialog.getByLabel('Per').selectOption('day')
    await dialog.getByLabel('Credits').fill('nothing')
    await dialog.getByRole('button', { name: 'Add this budget' }).click()
    await dialog.getByText('micro-credit', { exact: false }).waitFor()
    await dialog.getByLabel('Credits').fill('5000')
    await dialog.getByRole('button', { name: 'Add this budget' }).click()
    const row = page.getByRole('listitem', { name: 'The whole organization, per day' })
    await row.getByText('of 5,000').waitFor()
    await lookAt(page, 'credits-budgets')
  })

  it('chats until nothing is left, and is told so in the chat and above every page', async () => {
    await ui.goTo('Chat')
    await openConversation()
    const pid = await openclawPid()
    for (let turns = 0; turns < turnsMax && !(await usedUp().isVisible()); turns += 1) {
      await ui.message.fill('And on.').catch(() => undefined)
      await ui.message.press('Enter').catch(() => undefined)
      // It begins, unless it is refused at once.
      await ui.stop.waitFor({ timeout: 2_000 }).catch(() => undefined)
      await Promise.race([ui.button('Send').waitFor(), usedUp().waitFor()]).catch(() => undefined)
    }
    await usedUp()
      .waitFor()
      .catch(async (error) => {
        throw new Error(`${error}\n${await readReefLog(reef)}`)
      })
    await page.getByRole('heading', { name: 'There are not enough credits' }).waitFor({ timeout: 60_000 })
    await eventually(() => expect(() => process.kill(pid, 0)).toThrow(), 30_000)
    await lookAt(page, 'credits-used-up')
  })

  it('buys a pack on Stripe’s page and is thanked', async () => {
    await page.getByRole('main').getByRole('link', { name: 'Get credits' }).last().click()
    await page.getByText('500 credits', { exact: true }).click()
    await ui.button('Buy for $5.00').click()
    await page.getByRole('heading', { name: 'Pay 5.00 USD' }).waitFor()
    await ui.button('Pay').click()
    await page.getByText('500 credits are yours', { exact: false }).waitFor({ timeout: 60_000 })
    await usedUp().waitFor({ state: 'detached', timeout: 60_000 })
    await page.getByRole('region', { name: 'Payments' }).getByText('Paid', { exact: true }).waitFor()
    await lookAt(page, 'credits')
    await picture(page, 'credits')
    await ui.button('Dismiss').click()
    await page.getByText('500 credits are yours', { exact: false }).waitFor({ state: 'detached' })
  })

  it('has their OpenClaw back by itself, which remembers what was said', async () => {
    await ui.goTo('Chat')
    await ui.message.waitFor({ timeout: launchMillisecondsMax })
    await page.getByRole('navigation', { name: 'Main' }).getByText('Running').waitFor({ timeout: 60_000 })
    await openConversation()
    await ui.say('What is my name?')
    expect(await (await ui.answer()).textContent()).toContain('Ada')
    // The words that it stopped with stay in the conversation.
    await ui.answers
      .getByText(/credits are used up|are left/)
      .first()
      .waitFor()
  })

  it('comes back from Stripe’s page without having paid', async () => {
    await ui.goTo('Credits')
    await ui.button('Buy for $5.00').click()
    await page.getByRole('link', { name: 'Cancel' }).click()
    await page.getByText('Nothing was paid.', { exact: false }).waitFor()
  })

  it('finds the purchase in the statement and takes all of it away as CSV', async () => {
    await tab('Statement').click()
    const table = page.getByRole('table', { name: 'Statement' })
    await table.getByRole('row', { name: /Bought.*\+500/ }).waitFor()
    await table
      .getByRole('row', { name: /Used · demo\/reef-demo/ })
      .first()
      .waitFor()
    await lookAt(page, 'credits-statement')
    const downloading = page.waitForEvent('download')
    await ui.button('Download CSV').click()
    const csv = await readFile(await (await downloading).path(), 'utf8')
    expect(csv).toMatch(/^time,kind,credits/)
    expect(csv).toContain(',purchase,500.000000,')
    await page.getByLabel('Kind').selectOption('grant')
    await table.getByRole('row', { name: /Bought/ }).waitFor({ state: 'detached' })
    expect(await table.getByRole('row').count()).toBe(2)
    await page.getByRole('searchbox', { name: 'Search' }).fill('no entry says this')
    await page.getByText('Nothing like this').waitFor()
  })

  it('grants credits and verifies the ledger as the operator', async () => {
    const before = await creditsShown()
    await page.goto(`${reef.url}/admin`)
    await page.getByLabel('To', { exact: true }).fill('nobody@example.com')
    await page.getByRole('spinbutton', { name: 'Credits' }).fill('25')
    await ui.button('Grant credits').click()
    await page.getByRole('region', { name: 'Grant credits' }).getByRole('alert').waitFor()
    await page.getByLabel('To', { exact: true }).fill('ada@example.com')
    await ui.button('Grant credits').click()
    await page.getByText('25 credits granted to', { exact: false }).waitFor()
    await ui.button('Verify the ledger').click()
    await page.getByText('The ledger is right', { exact: false }).waitFor()
    await lookAt(page, 'admin-credits')
    expect(await creditsShown()).toBeGreaterThan(before)
  })

  it('met no error on the way', () => {
    expect(errors).toEqual([])
  })
})
