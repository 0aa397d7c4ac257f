import OpenAI from 'openai'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { requireComponent } from '../test/support/components.ts'
import { eventually } from '../test/support/eventually.ts'
import { type ReefProcess, startReefProcess } from '../test/support/reef-process.ts'
import { collectErrors, ensureDashboard, openBrowser, openPage, picture } from './support/browser.ts'
import { dashboard } from './support/dashboard.ts'

const chromium = requireComponent('chromium')

/** The official client, unmodified: lists models, chats, and streams word by word. */
async function expectOpenAiClientToWork(client: OpenAI): Promise<void> {
  const { data: models } = await client.models.list()
  const model = models[0]?.id ?? 'none'
  const ask = (content: string) => [{ role: 'user' as const, content }]
  const answer = await client.chat.completions.create({ model, messages: ask('hello') })
  expect(answer.choices[0]?.message.content).toContain('Hello')
  const stream = await client.chat.completions.create({
    model,
    messages: ask('/demo words 20'),
    stream: true,
  })
  const pieces: string[] = []
  for await (const chunk of stream) pieces.push(chunk.choices[0]?.delta.content ?? '')
  expect(pieces.filter((piece) => piece !== '').length).toBeGreaterThan(1)
}

/** A new person in a real browser, from the first page to an own, real OpenClaw. The steps build on each other. */
describe.skipIf(!chromium)('a person with a browser', { timeout: 240_000 }, () => {
  let reef: ReefProcess
  let browser: Browser
  let page: Page
  let errors: string[]
  let ui: ReturnType<typeof dashboard>

  beforeAll(async () => {
    await ensureDashboard()
    reef = await startReefProcess({ POOL_SIZE: '0' })
    browser = await openBrowser(chromium as string)
    page = await openPage(browser, { viewport: { width: 1280, height: 800 } })
    errors = collectErrors(page)
    ui = dashboard(page, reef.url)
  }, 240_000)
  afterAll(async () => {
    await browser?.close()
    await reef?.close()
  }, 120_000)

  it('signs up and starts an OpenClaw with one click', async () => {
    await page.goto(reef.url)
    await page.getByRole('link', { name: 'Sign up' }).first().waitFor()
    await picture(page, 'start')
    await ui.signUp({ name: 'Ada Lovelace', email: 'ada@example.com', password: 'correct horse battery' })
    await picture(page, 'provision')
    await ui.launch()
  })

  it('says hello and reads an answer of the real OpenClaw', async () => {
    await ui.say('hello')
    expect(await (await ui.answer()).textContent()).toContain('demo model')
  })

  it('has a tool run, and unfolds what it printed', async () => {
    await ui.say('Run ls')
    const answer = await ui.answer()
    const tool = answer.getByRole('button', { name: /^Tool .*, done$/ })
    expect(await tool.getAttribute('aria-expanded')).toBe('false')
    await tool.click()
    await answer.getByText('Output', { exact: true }).waitFor()
    expect(await answer.textContent()).toContain('AGENTS.md')
    await picture(page, 'chat')
  })

  it('finds the conversation again after a reload, without logging in', async () => {
    await page.reload()
    await ui.answers.nth(1).waitFor()
    expect(await ui.answers.nth(1).textContent()).toContain('AGENTS.md')
    expect(await page.getByRole('article', { name: 'You' }).allTextContents()).toEqual(['hello', 'Run ls'])
  })

  it('stops an answer, and what came of it stays', async () => {
    await ui.say('/demo slow 300')
    await ui.answers.nth(2).getByText('the tide').waitFor()
    await ui.stop.click()
    const words = ((await (await ui.answer()).textContent()) ?? '').split(/\s+/)
    expect(words.length).toBeGreaterThan(1)
    expect(words.length).toBeLessThan(300)
  })

  it('opens the Control UI at the instance’s own address, signed in, and chats there without pairing', async () => {
    const opened = page.context().waitForEvent('page')
    await ui.button('Open Control UI').click()
    const control = await opened
    const message = control.getByRole('textbox').last()
    await message.waitFor({ timeout: 60_000 })
    expect(new URL(control.url()).hostname).toMatch(/^ada-lovelace.*\.localhost$/)
    await message.fill('thanks')
    await message.press('Enter')
    await control
      .getByText(/you are welcome/i)
      .first()
      .waitFor({ timeout: 60_000 })
    expect(await control.getByText(/pairing/i).count()).toBe(0)
    await picture(control, 'control-ui')
    await control.close()
  })

  it('sees state, figures and live logs of the instance', async () => {
    await ui.goTo('Instance')
    await page.getByRole('main').getByText('Running', { exact: true }).waitFor()
    await page.getByRole('figure', { name: /^Memory: now .*iB/ }).waitFor({ timeout: 60_000 })
    const lines = page.getByRole('region', { name: 'Log lines' })
    await lines.getByText('OpenClaw').first().waitFor()
    await picture(page, 'instance')
    await page.getByLabel('Search logs').fill('no line says this')
    await lines.getByText('No line has that in it.').waitFor()
  })

  it('creates an API key that works until it is revoked', async () => {
    await ui.goTo('Settings')
    await ui.button('Create key').click()
    await page.getByLabel('Key name').fill('laptop')
    await ui.button('Create API key').click()
    const key = await page.getByLabel('API key', { exact: true }).textContent()
    await ui.button('Done').click()
    await picture(page, 'api-keys')
    const client = new OpenAI({ baseURL: `${reef.proxyUrl}/v1`, apiKey: key ?? '', maxRetries: 0 })
    await expectOpenAiClientToWork(client)
    await page.getByRole('listitem', { name: 'laptop' }).getByRole('button', { name: 'Revoke' }).click()
    await ui.button('Revoke key').click()
    await page.getByText('No keys yet').waitFor()
    // The proxy believes what it has just seen for a moment longer.
    await eventually(() => expect(client.models.list()).rejects.toMatchObject({ status: 401 }))
  })

  it('logs out, and the way back in leads to where they wanted to go', async () => {
    await ui.button('Account: Ada Lovelace').click()
    await page.getByRole('menuitem', { name: 'Log out' }).click()
    await page.getByRole('link', { name: 'Sign up' }).waitFor()
    await page.goto(`${reef.url}/settings/members`)
    await page.getByLabel('E-mail').fill('ada@example.com')
    await page.getByLabel('Password').fill('correct horse battery')
    await ui.button('Log in').click()
    await page.getByRole('listitem', { name: 'Ada Lovelace' }).waitFor()
    expect(page.url()).toBe(`${reef.url}/settings/members`)
    await picture(page, 'members')
  })

  it('met no error on the way', () => {
    expect(errors).toEqual([])
  })
})
