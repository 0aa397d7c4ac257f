import { spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Browser, chromium, type Page } from 'playwright-core'

const root = fileURLToPath(new URL('../..', import.meta.url))

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

/** What is tested is the dashboard as it is now, not as it was when somebody last built it. */
export function buildDashboard(): void {
  const built = spawnSync(process.execPath, ['node_modules/vite/bin/vite.js', 'build', 'web'], {
    cwd: root,
    encoding: 'utf8',
    // The test runner's own NODE_ENV would make it a development build, several times the size.
    env: { ...process.env, NODE_ENV: 'production' },
  })
  if (built.status !== 0) throw new Error(`the dashboard does not build:\n${built.stdout}${built.stderr}`)
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
