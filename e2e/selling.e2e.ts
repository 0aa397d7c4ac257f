import { createHmac } from 'node:crypto'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { newId } from '../src/ids.ts'
import { type Me, signUp } from '../test/support/client.ts'
import { requireComponent } from '../test/support/components.ts'
import { eventually } from '../test/support/eventually.ts'
import { changeDispute, dispute } from '../test/support/fake-stripe/money.ts'
import { spend } from '../test/support/fake-stripe/selling.ts'
import { picture } from './support/browser.ts'
import { dashboard } from './support/dashboard.ts'
import { lookAt } from './support/looks.ts'
import { type PretendedApp, startPretendedApp } from './support/pretended-app.ts'
import { logIn, password, type SellingApp, startSellingApp } from './support/selling-app.ts'
import { addModelCall } from './support/usage.ts'

const chromium = requireComponent('chromium')

const ada = { name: 'Ada Lovelace', email: 'ada@example.com', password }

/** Cards, cards that are charged by themselves, alerts, members, refunds and disputes. The steps build on each other. */
describe.skipIf(!chromium)('selling credits', { timeout: 120_000 }, () => {
  let world: SellingApp
  let app: SellingApp['app']
  let fake: SellingApp['fake']
  let page: Page
  let ui: ReturnType<typeof dashboard>
  let organizationId: string

  const region = (name: string, on = page) => on.getByRole('region', { name })
  const tab = (name: string, on = page) =>
    on.getByRole('navigation', { name: 'Credits' }).getByRole('link', { name })
  /** What somebody else does shows within half a minute by itself, and at once to an impatient person if it has happened. */
  const untilShown = async (on: Page, locate: () => ReturnType<Page['getByText']>) => {
    await on.reload()
    await locate().first().waitFor({ timeout: 45_000 })
  }
  const use = (credits: number) => spend(app.database, organizationId, credits * 1_000_000)
  const balance = (credits: string, on = page) =>
    region('Balance', on).getByText(credits, { exact: true }).first().waitFor()

  beforeAll(async () => {
    world = await startSellingApp(chromium as string)
    ;({ app, fake } = world)
    page = await world.openPage()
    ui = dashboard(page, app.url)
    await ui.signUp(ada)
    const { id } = await app.database.asSystem((trx) =>
      trx
        .selectFrom('organizations')
        .innerJoin('users', 'users.id', 'organizations.personal_user_id')
        .select('organizations.id')
        .where('users.email', '=', ada.email)
        .executeTakeFirstOrThrow(),
    )
    organizationId = id
  }, 120_000)
  afterAll(() => world?.end(), 60_000)

  it('leads to the portal for cards and invoices, and back', async () => {
    await ui.goTo('Credits')
    await page.getByText('Needs a saved card', { exact: false }).waitFor()
    expect(await ui.button('Switch on').isDisabled()).toBe(true)
    await page.getByText('Nothing was bought yet').waitFor()
    await ui.button('Cards and invoices').waitFor()
    await page.getByText('500 credits', { exact: true }).click()
    await ui.button('Buy for $5.00').click()
    await ui.button('Pay').click()
    await page.getByText('500 credits are yours', { exact: false }).waitFor()
    await ui.button('Cards and invoices').click()
    await page.getByRole('heading', { name: 'Your cards' }).waitFor()
    await ui.button('Add card').click()
    await page.getByRole('listitem').getByText('visa 4242').waitFor()
    await fake.deliveries.idle()
    await page.getByRole('link', { name: 'Return' }).click()
    // Its event may be a moment later than whoever comes back.
    await untilShown(page, () => page.getByText('visa that ends in 4242', { exact: false }))
  })

  it('buys by itself with the saved card once credits run low', async () => {
    const card = region('Auto top-up')
    await card.getByLabel('At most in a month (USD)').fill('4')
    await ui.button('Switch on').click()
    await card.getByText('One pack costs 5.00 USD', { exact: false }).waitFor()
    await card.getByLabel('At most in a month (USD)').fill('20')
    await card.getByLabel('When fewer credits are left than').fill('100')
    await ui.button('Switch on').click()
    await card.getByText('On', { exact: true }).waitFor()
    await balance('1,000')
    await use(950)
    await untilShown(page, () => region('Payments').getByText('by auto top-up'))
    await balance('550')
    await lookAt(page, 'credits-auto-top-up')
    await ui.button('Switch off').click()
    await card.getByText('Off', { exact: true }).waitFor()
  })

  it('posts alerts to a program, signed with the key that is shown', async () => {
    await tab('Budgets and alerts').click()
    const card = region('Webhook for alerts')
    await card.getByLabel('URL').fill('https://10.0.0.1/hook')
    await ui.button('Set webhook').click()
    await card.getByText('an address that is not public', { exact: false }).waitFor()
    await card.getByLabel('URL').fill(world.hookUrl)
    await ui.button('Set webhook').click()
    const secret = /whsec_[\w-]+/.exec(
      (await card.getByText('whsec_').first().textContent()) ?? '',
    )?.[0] as string
    await ui.button('Send a test').click()
    await page.getByText('A test alert is on its way.').waitFor()
    await eventually(() => expect(world.posted).toHaveLength(1), 20_000)
    const { signature, body } = world.posted[0] as SellingApp['posted'][number]
    const [, seconds, given] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(signature) ?? []
    expect(given).toBe(createHmac('sha256', secret).update(`${seconds}.${body}`).digest('hex'))
    expect(JSON.parse(body)).toMatchObject({ type: 'alert', kind: 'test', organizationId })
    await untilShown(page, () => card.getByText('was delivered', { exact: false }))
    await lookAt(page, 'credits-alert-webhook')
    await ui.button('Dismiss: A test of alerts').click()
    await ui.button('Dismiss: A test of alerts').waitFor({ state: 'detached' })
    await ui.button('Remove').click()
    await ui.button('Set webhook').waitFor()
  })

  it('offers budgets for agents once an agent has used credits, and says so until then', async () => {
    await ui.button('Add budget').click()
    const dialog = page.getByRole('dialog')
    await dialog.getByText('so far none has', { exact: false }).waitFor()
    expect(await dialog.getByRole('option', { name: 'An agent' }).count()).toBe(0)
    await dialog.getByRole('button', { name: 'Cancel' }).click()
    const agentId = newId()
    await addModelCall(app.database, { organizationId, email: ada.email, agentId, credits: 3 })
    await page.reload()
    await ui.button('Add budget').click()
    await dialog.getByLabel('For').selectOption('agent')
    await dialog.getByLabel('Agent').selectOption(agentId)
    await dialog.getByLabel('Credits').fill('40')
    await lookAt(page, 'credits-agent-budget')
    await dialog.getByRole('button', { name: 'Add this budget' }).click()
    await page
      .getByRole('listitem', { name: `Agent ${agentId}, per month` })
      .getByText('3 of 40')
      .waitFor()
  })

  it('shows a plain member the balance, the prices and their own usage, and nothing to change', async () => {
    const { operator } = world
    const guild = await operator.call<{ id: string; slug: string }>('POST', '/api/orgs', { name: 'Guild' })
    await operator.call('POST', '/api/admin/credits/grants', { to: guild.slug, credits: 40 })
    const { user } = await (await signUp(app.url, app.proxyUrl, 'bob@example.com')).call<Me>('GET', '/api/me')
    const book = await app.database.asSystem(async (trx) => {
      await trx
        .insertInto('members')
        .values({
          organization_id: guild.id,
          user_id: user.id,
          role: 'member',
          name: user.name,
          email: user.email,
        })
        .execute()
      return trx
        .selectFrom('ledger_books')
        .select('available')
        .where('organization_id', '=', guild.id)
        .executeTakeFirstOrThrow()
    })
    for (const [email, credits] of [
      ['grace@example.com', 11],
      [user.email, 7],
    ] as const)
      await addModelCall(app.database, { organizationId: guild.id, email, credits })
    const theirs = await world.openPage()
    await logIn(theirs, `${app.url}/log-in`, user.email)
    const inGuild = theirs.getByRole('menuitemradio', { name: 'Guild' })
    // The menu behind the button loads a moment later than the button.
    await eventually(async () => {
      await theirs.getByRole('button', { name: /^Organization: / }).click()
      await inGuild.waitFor({ timeout: 1_000 })
    })
    await inGuild.click()
    // Switching ends at the chat.
    await theirs.getByRole('button', { name: 'Organization: Guild' }).waitFor()
    await theirs.goto(`${app.url}/credits`)
    await balance(String(book.available / 1_000_000), theirs)
    await theirs.getByText('Owners and admins of the organization buy credits.', { exact: false }).waitFor()
    for (const absent of ['Auto top-up', 'Payments'])
      expect([absent, await region(absent, theirs).count()]).toEqual([absent, 0])
    expect(
      await theirs.getByRole('navigation', { name: 'Credits' }).getByRole('link').allTextContents(),
    ).toEqual(['Overview', 'Usage', 'Prices'])
    await lookAt(theirs, 'credits-member')
    await tab('Usage', theirs).click()
    await theirs.getByText('What you used yourself.', { exact: false }).waitFor()
    await theirs.getByRole('button', { name: 'Member', exact: true }).click()
    await theirs.getByRole('row', { name: /^bob 7 1 / }).waitFor()
    expect(await theirs.getByRole('row', { name: /^grace/ }).count()).toBe(0)
    // Who types the address all the same learns nothing.
    await theirs.goto(`${app.url}/credits/statement`)
    await theirs.getByRole('main').getByRole('alert').first().waitFor()
    expect(await theirs.getByRole('table').count()).toBe(0)
    await theirs.context().close()
  })

  describe('the operator', () => {
    let theirs: Page
    let button: (name: string | RegExp) => ReturnType<Page['getByRole']>
    const dialog = () => theirs.getByRole('dialog')
    const rows = () => region('Payments', theirs).getByRole('listitem')
    const bought = () => rows().filter({ hasNotText: 'by auto top-up' })
    const byItself = () => rows().filter({ hasText: 'by auto top-up' })

    it('finds a payment and sees what a refund would do to the credits before making it', async () => {
      theirs = await world.openPage()
      await logIn(theirs, `${app.url}/log-in?return=/admin`, 'grace@example.com')
      button = dashboard(theirs, app.url).button
      await theirs.getByLabel('Search payments').fill('nobody@example.com')
      await theirs.getByText('No payment like this').waitFor()
      await theirs.getByLabel('Search payments').fill('ada@example')
      await bought().getByRole('button', { name: 'Refund' }).click()
      await dialog().getByText('550 credits are unused, which is $5.00 of it.', { exact: false }).waitFor()
      await dialog().getByLabel('Amount (USD)').fill('6')
      await dialog().getByText('At most $5.00.').waitFor()
      expect(await dialog().getByRole('button', { name: 'Refund' }).isDisabled()).toBe(true)
      await dialog().getByLabel('Amount (USD)').fill('2')
      await dialog().getByText('loses 200 credits that it has not used.', { exact: false }).waitFor()
      await dialog().getByLabel('Reason').fill('Sorry.')
      await lookAt(theirs, 'admin-refund')
      await picture(theirs, 'admin-refund')
      await dialog().getByRole('button', { name: 'Refund $2.00' }).click()
      await bought().getByText('$2.00 refunded').waitFor()
      await ui.goTo('Credits')
      await balance('350')
    })

    it('refunds used credits only when that is said, and they are written off', async () => {
      await use(340)
      await theirs.reload()
      await bought().getByRole('button', { name: 'Refund' }).click()
      await dialog().getByLabel('Amount (USD)').fill('3')
      await dialog().getByText('290 credits of the refund were used already', { exact: false }).waitFor()
      const refund = dialog().getByRole('button', { name: 'Refund $3.00' })
      expect(await refund.isDisabled()).toBe(true)
      await dialog().getByLabel('Refund the 290 used credits too', { exact: false }).check()
      await lookAt(theirs, 'admin-refund-used')
      await refund.click()
      await bought().getByText('Refunded', { exact: true }).waitFor()
      expect(await bought().getByRole('button', { name: 'Refund' }).isDisabled()).toBe(true)
    })

    it('is told of a dispute with what it froze, and of its end', async () => {
      await world.operator.call('POST', '/api/admin/credits/grants', { to: ada.email, credits: 200 })
      const intent = [...fake.state.intents.values()].at(-1)
      const made = dispute(fake.state, intent as NonNullable<typeof intent>)
      await fake.deliveries.idle()
      await untilShown(theirs, () => theirs.getByText(/A payment of Ada Lovelace.* is disputed/))
      await byItself()
        .getByText('Disputed: $5.00 (fraudulent). 200 credits are frozen.', { exact: false })
        .waitFor()
      expect(await byItself().getByRole('button', { name: 'Refund' }).isDisabled()).toBe(true)
      await button('Disputed').click()
      await bought().waitFor({ state: 'detached' })
      await lookAt(theirs, 'admin-payments')
      await region('Reconciliation', theirs).scrollIntoViewIfNeeded()
      await picture(theirs, 'admin-payments')
      changeDispute(fake.state, made, 'won')
      await fake.deliveries.idle()
      await untilShown(theirs, () => theirs.getByText(/The dispute over a payment of Ada Lovelace.* was won/))
      expect(await theirs.getByText(/ is disputed\./).count()).toBe(0)
      await theirs.getByRole('button', { name: /^Dismiss: The dispute/ }).click()
      await theirs.getByText(/The dispute over a payment/).waitFor({ state: 'detached' })
    })

    it('compares with Stripe’s lists and sees what differs', async () => {
      const card = region('Reconciliation', theirs)
      await card.getByText('Nothing differs', { exact: false }).waitFor()
      await app.database.asSystem((trx) =>
        trx.updateTable('payment_refunds').set({ credits: 1 }).where('amount_cents', '=', 200).execute(),
      )
      await button('Run now').click()
      await card.getByText('One thing differs', { exact: false }).waitFor()
      await card.getByText('and the ledger has', { exact: false }).waitFor()
      await lookAt(theirs, 'admin-reconciliation')
      fake.troubles.push({ match: /^GET \/v1\/events/, kind: 'broken', times: 3 })
      await button('Run now').click()
      await card.getByText('came to no end', { exact: false }).waitFor()
      await theirs.context().close()
    })
  })

  it('met no error on the way', () => {
    expect(world.errors).toEqual([])
  })

  describe('without a key of Stripe’s', () => {
    let bare: PretendedApp
    beforeAll(async () => {
      bare = await startPretendedApp()
      await signUp(bare.url, bare.proxyUrl, 'grace@example.com')
    })
    afterAll(() => bare?.end())

    it('shows the trial and whom to ask, and the operator grants', async () => {
      const lin = await world.openPage()
      await dashboard(lin, bare.url).signUp({ name: 'Lin', email: 'lin@example.com', password })
      await dashboard(lin, bare.url).goTo('Credits')
      await balance('500', lin)
      await region('Get credits', lin)
        .getByText('the operator of this Reef can grant you', { exact: false })
        .waitFor()
      const slug = (await region('Get credits', lin).getByRole('code').textContent()) as string
      for (const absent of ['Buy credits', 'Auto top-up', 'Payments'])
        expect([absent, await region(absent, lin).count()]).toEqual([absent, 0])
      await lookAt(lin, 'credits-not-sold')

      const grace = await world.openPage()
      await logIn(grace, `${bare.url}/log-in?return=/admin`, 'grace@example.com')
      await region('Payments', grace).getByText('This Reef sells no credits').waitFor()
      await region('Reconciliation', grace).waitFor({ state: 'detached' })
      await grace.getByLabel('To', { exact: true }).fill(slug)
      await grace.getByRole('spinbutton', { name: 'Credits' }).fill('25')
      await grace.getByRole('button', { name: 'Grant credits' }).click()
      await grace.getByText('25 credits granted to', { exact: false }).waitFor()
      await balance('525', lin)
    })
  })
})
