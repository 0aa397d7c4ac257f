import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { requireComponent } from '../test/support/components.ts'
import { ensureDashboard, openBrowser, openPage } from './support/browser.ts'
import { dashboard } from './support/dashboard.ts'
import { instanceStates } from './support/instance-states.ts'
import { lookAt } from './support/looks.ts'
import { type PretendedApp, startPretendedApp } from './support/pretended-app.ts'

const chromium = requireComponent('chromium')

/** A person on each page of their instance, against the real API on pretended machines. The steps build on each other. */
describe.skipIf(!chromium)('the pages of an instance', { timeout: 120_000 }, () => {
  let app: PretendedApp
  let browser: Browser
  let page: Page
  let ui: ReturnType<typeof dashboard>
  let states: ReturnType<typeof instanceStates>
  const errors: string[] = []
  let listed = 0
  const tab = (name: string) => page.getByRole('navigation', { name: 'Instance' }).getByRole('link', { name })
  const item = (name: string | RegExp) => page.getByRole('listitem', { name })
  const dialog = () => page.getByRole('dialog')
  const sure = (name: string) => page.getByRole('alertdialog').getByRole('button', { name }).click()

  beforeAll(async () => {
    await ensureDashboard()
    app = await startPretendedApp()
    browser = await openBrowser(chromium as string)
    page = await openPage(browser)
    page.setDefaultTimeout(10_000)
    page.on('pageerror', (error) => errors.push(error.message))
    // Nobody in a pretended machine answers; what a real one would, and how often it is asked, which wakes it.
    await page.route('**/api/sessions/*/conversations', (route) => {
      if (route.request().method() !== 'GET') return route.continue()
      listed += 1
      return route.fulfill({
        headers: { 'access-control-allow-origin': app.url },
        json: { conversations: [] },
      })
    })
    ui = dashboard(page, app.url)
    await ui.signUp({ name: 'Ada Lovelace', email: 'ada@example.com', password: 'correct horse battery' })
    await ui.launch()
    const { id } = await app.database.asSystem((trx) =>
      trx.selectFrom('instances').select('id').executeTakeFirstOrThrow(),
    )
    states = instanceStates(app.database, id)
    await ui.goTo('Instance')
    await page.getByRole('heading', { name: 'Facts' }).waitFor()
  }, 120_000)
  afterAll(async () => {
    await browser?.close()
    await app?.end()
  }, 60_000)

  describe('backups', () => {
    it('says what there will be when there is none yet', async () => {
      await tab('Backups').click()
      await page.getByText('No backups yet').waitFor()
      await page.getByText('No drill yet').waitFor()
      await lookAt(page, 'backups-empty')
    })

    it('lists what there is with its worth, and says what to do about an alarm', async () => {
      await states.addBackups()
      await page.reload()
      await item(/^Daily,/)
        .getByText('Restored with success')
        .waitFor()
      await item(/^Checkpoint,/)
        .getByText('On this machine')
        .waitFor()
      await page.getByText('The remote store of backups does not answer.').waitFor()
      await page.getByText('they are copied by themselves', { exact: false }).waitFor()
      await page.getByText('3 conversations and 123 files came back').waitFor()
      await lookAt(page, 'backups')
    })

    it('shows what a restore changes before it is one', async () => {
      await item(/^Daily,/)
        .getByRole('button', { name: 'Restore' })
        .click()
      await dialog().getByRole('row', { name: 'Conversations 5 3' }).waitFor()
      await dialog().getByText('2 newer backups stay', { exact: false }).waitFor()
      await lookAt(page, 'restore-preview')
      await dialog().getByRole('button', { name: 'Cancel' }).click()
      await dialog().waitFor({ state: 'detached' })
    })

    it('shows a restore under way and what became of it', async () => {
      await item(/^Daily,/)
        .getByRole('button', { name: 'Restore' })
        .click()
      await dialog().getByRole('button', { name: 'Restore backup' }).click()
      await page
        .getByRole('list', { name: 'Steps of the restore' })
        .getByText('What is there now is backed up')
        .first()
        .waitFor()
      await lookAt(page, 'restoring')
      // Nobody in a pretended machine could say so.
      await states.endRestore('failed', 'The archive is not whole. Restore another backup.')
      await page.getByText('The archive is not whole.', { exact: false }).waitFor()
      await ui.button('Dismiss').click()
      await page.getByText('The restore did not succeed').waitFor({ state: 'detached' })
    })
  })

  describe('secrets', () => {
    it('says what they are for when there is none', async () => {
      await tab('Secrets').click()
      await page.getByText('No secrets yet').waitFor()
      await lookAt(page, 'secrets-empty')
    })

    it('says at the name what is wrong with it', async () => {
      await ui.button('Add secret').click()
      await dialog().getByLabel('Name').fill('PATH')
      await dialog().getByLabel('Value').fill('s3cr3t value')
      await dialog().getByRole('button', { name: 'Keep secret' }).click()
      await dialog().getByText('PATH has a meaning of its own').waitFor()
      await lookAt(page, 'secret-dialog')
    })

    it('keeps one, shows it to commands, and never shows its value again', async () => {
      await dialog().getByLabel('Name').fill('github_token')
      await dialog().getByLabel('Show it to commands').check()
      await dialog().getByRole('button', { name: 'Keep secret' }).click()
      await item('GITHUB_TOKEN').getByText('Shown to commands', { exact: true }).waitFor()
      expect(await page.content()).not.toContain('s3cr3t value')
    })

    it('gives it a new value, and writes down who did what', async () => {
      await item('GITHUB_TOKEN').getByRole('button', { name: 'Replace' }).click()
      await dialog().getByLabel('New value').fill('another value')
      await dialog().getByRole('button', { name: 'Replace value' }).click()
      await item('GITHUB_TOKEN').getByText('version 2').waitFor()
      await page.getByText('Given a new value by you').waitFor()
      await lookAt(page, 'secrets')
    })

    it('removes it once that is confirmed', async () => {
      await item('GITHUB_TOKEN').getByRole('button', { name: 'Remove' }).click()
      await sure('Remove secret')
      await page.getByText('No secrets yet').waitFor()
    })
  })

  describe('egress', () => {
    it('says that this driver holds nobody to it, and that nothing was refused', async () => {
      await tab('Egress').click()
      await page.getByText('The fake driver cannot restrict', { exact: false }).waitFor()
      await page.getByText('Nothing was refused').waitFor()
      await page.getByText('Nothing is allowed yet').waitFor()
    })

    it('says at the domain what is wrong with it', async () => {
      await page.getByRole('textbox', { name: 'Domain' }).fill('https://example.com/')
      await ui.button('Allow').click()
      await page.getByText('Write the name alone, without https://', { exact: false }).waitFor()
    })

    it('allows a domain, and a preset with one click', async () => {
      await page.getByRole('textbox', { name: 'Domain' }).fill('example.com')
      await page.getByLabel('Ports').fill('443, 8443')
      await ui.button('Allow').click()
      await item('example.com').getByText('at ports 443, 8443').waitFor()
      await ui.button('GitHub').click()
      await item('*.githubusercontent.com').waitFor()
      expect(await ui.button('GitHub').getAttribute('aria-pressed')).toBe('true')
    })

    it('shows what was refused within seconds, and allows it with one click that can be undone', async () => {
      await states.addDenied([
        { host: 'registry.npmjs.org', port: 443, reason: 'not_listed', attempts: 12 },
        { host: '169.254.169.254', port: 80, reason: 'address', attempts: 1 },
      ])
      const refused = item('registry.npmjs.org').first()
      await refused.getByText('12 attempts').waitFor()
      expect(await item('169.254.169.254').getByRole('button').count()).toBe(0)
      await refused.getByRole('button', { name: 'Allow' }).click()
      await refused.getByText('Allowed', { exact: true }).waitFor()
      await page.getByRole('button', { name: 'Remove registry.npmjs.org' }).waitFor()
      await lookAt(page, 'egress')
      await refused.getByRole('button', { name: 'Undo' }).click()
      await refused.getByRole('button', { name: 'Allow' }).waitFor()
      await page.getByRole('button', { name: 'Remove registry.npmjs.org' }).waitFor({ state: 'detached' })
    })

    it('takes a rule back', async () => {
      await ui.button('Remove example.com').click()
      await item('example.com').waitFor({ state: 'detached' })
    })
  })

  describe('domains', () => {
    it('says what they are when there is none, and what is wrong with a name', async () => {
      await tab('Domains').click()
      await page.getByText('No domains yet').waitFor()
      await page.getByRole('textbox', { name: 'Domain' }).fill('claw.local')
      await ui.button('Add domain').click()
      await page.getByText('cannot be reached from elsewhere', { exact: false }).waitFor()
      await lookAt(page, 'domains-empty')
    })

    it('shows the exact records to set, to be copied', async () => {
      await page.getByRole('textbox', { name: 'Domain' }).fill('claw.example.com')
      await ui.button('Add domain').click()
      const record = item('claw.example.com').getByRole('listitem', { name: 'TXT record' })
      await record.getByText('_reef.claw.example.com').waitFor()
      await record.getByText('reef-verify=').waitFor()
      expect(await record.getByRole('button', { name: /^Copy/ }).count()).toBe(2)
      await lookAt(page, 'domains')
    })

    it('removes it once that is confirmed', async () => {
      await item('claw.example.com').getByRole('button', { name: 'Remove' }).click()
      await sure('Remove domain')
      await page.getByText('No domains yet').waitFor()
    })
  })

  describe('sleep', () => {
    it('says calmly that it sleeps, what that costs and what is kept', async () => {
      await tab('Overview').click()
      await ui.button('Suspend').click()
      const card = page.getByRole('region', { name: 'Sleep' })
      await card.getByText('Asleep, ready in memory').waitFor()
      await card.getByText('a fraction of running', { exact: false }).waitFor()
      await page.getByRole('navigation', { name: 'Main' }).getByText('Asleep').waitFor()
      await states.deepen('frozen_on_disk')
      const before = listed
      await page.reload()
      await card.getByText('Asleep, its memory on disk').waitFor()
      await card.getByText('in 2 hours, for what it has planned').waitFor()
      await lookAt(page, 'asleep')
      expect(listed).toBe(before)
    })

    it('opens the chat of a sleeping instance, which stays asleep until it is written to', async () => {
      await ui.goTo('Chat')
      const before = listed
      await page.getByText('It wakes with your first message, within a few seconds.').waitFor()
      await ui.message.waitFor()
      await lookAt(page, 'chat-asleep')
      expect(listed).toBe(before)
      await page.getByRole('navigation', { name: 'Main' }).getByText('Asleep').waitFor()
    })

    it('wakes it with the first message', async () => {
      await ui.message.fill('hello')
      await ui.message.press('Enter')
      await page.getByRole('navigation', { name: 'Main' }).getByText('Running').waitFor()
      // Gives up the message, which would wait for an answer and wake it again.
      await page.reload()
      await ui.message.waitFor()
    })

    it('wakes it when a person says so', async () => {
      await ui.goTo('Instance')
      await ui.button('Suspend').click()
      await ui.button('Wake now').click()
      await page.getByRole('main').getByText('Running', { exact: true }).waitFor()
    })
  })

  it('upgrades only after it has said what happens', async () => {
    await states.outdate()
    await page.reload()
    await ui.button('Upgrade').click()
    await page.getByText('It is backed up first.', { exact: false }).waitFor()
    await lookAt(page, 'upgrade')
    await page.getByRole('alertdialog').getByRole('button', { name: 'Cancel' }).click()
  })

  it('says that an upgrade was rolled back, and why', async () => {
    await states.rollBack()
    await page.reload()
    await page.getByText('The upgrade was rolled back').waitFor()
    await page.getByText('did not become ready within 3 minutes', { exact: false }).waitFor()
    await lookAt(page, 'rolled-back')
  })

  it('shows an operator the whole Reef', async () => {
    // Whoever signs up first operates the Reef.
    await page.goto(`${app.url}/admin`)
    await page.getByRole('heading', { name: 'Queue' }).waitFor()
    await lookAt(page, 'admin')
  })

  it('drains a host when an operator says so', async () => {
    // Pretended machines are on no host, so this one is put into the answers.
    const gibibyte = 1024 ** 3
    let state = 'active'
    await page.route('**/api/admin/overview', async (route) => {
      const response = await route.fetch()
      const host = {
        name: 'host-1',
        state,
        memoryTotalBytes: 64 * gibibyte,
        memoryAvailableBytes: 20 * gibibyte,
        swapTotalBytes: 32 * gibibyte,
        swapFreeBytes: 30 * gibibyte,
        zramTotalBytes: 32 * gibibyte,
        diskTotalBytes: 500 * gibibyte,
        diskFreeBytes: 120 * gibibyte,
        cpus: 16,
        slotCount: 48,
        pausedCount: 31,
        residentBytes: 40 * gibibyte,
        swappedBytes: 2 * gibibyte,
      }
      await route.fulfill({ response, json: { ...(await response.json()), hosts: [host] } })
    })
    await page.route('**/api/admin/hosts/host-1', async (route) => {
      state = route.request().postDataJSON().state
      await route.fulfill({ json: { name: 'host-1', state } })
    })
    await page.reload()
    await ui.button('Drain').waitFor()
    await lookAt(page, 'hosts')
    await ui.button('Drain').click()
    await page.getByText('Draining', { exact: true }).waitFor()
    await ui.button('Activate').waitFor()
  })

  it('met no error on the way', () => {
    expect(errors).toEqual([])
  })
})
