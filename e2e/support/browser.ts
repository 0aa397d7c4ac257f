import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core'
import { buildDashboard, isDashboardStale } from '../../src/cli/up/dashboard.ts'

export function openBrowser(executablePath: string): Promise<Browser> {
  return chromium.launch({
    executablePath,
    args: [
      '--headless',
      // Tests may run as root, under which Chromium refuses its sandbox.
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  })
}

/**
 * In a context of its own, closed with it. What moves for as long as something lasts is painted sixty times a second by
 * the processor, which OpenClaw needs meanwhile; so the page is asked to keep still.
 */
export function openPage(browser: Browser, options: BrowserContextOptions = {}): Promise<Page> {
  return browser.newPage({
    viewport: { width: 1280, height: 900 },
    colorScheme: 'light',
    reducedMotion: 'reduce',
    ...options,
  })
}

/** What is tested is the dashboard as it is now, not as it was when somebody last built it. */
export async function ensureDashboard(): Promise<void> {
  if (await isDashboardStale()) await buildDashboard()
}

/** Errors that the page met, to be none in the end. That nobody is signed in yet is how every first visit begins. */
export function collectErrors(page: Page): string[] {
  const errors: string[] = []
  page.on('pageerror', (error) => errors.push(error.message))
  page.on('response', (response) => {
    const expected = response.status() === 401 && response.url().endsWith('/api/auth/refresh')
    if (response.status() >= 400 && !expected) errors.push(`${response.status()} ${response.url()}`)
  })
  return errors
}

/** Pictures for the documentation: written when REEF_TEST_SCREENSHOTS names a directory. */
export async function picture(page: Page, name: string): Promise<void> {
  const directory = process.env.REEF_TEST_SCREENSHOTS
  if (!directory) return
  mkdirSync(directory, { recursive: true })
  await page.screenshot({ path: join(directory, `${name}.png`), animations: 'disabled' })
}
