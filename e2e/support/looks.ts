import type { Page } from 'playwright-core'
import { expect } from 'vitest'
import { picture } from './browser.ts'

const sizes = [
  { name: 'desktop', width: 1280, height: 1400 },
  { name: 'phone', width: 390, height: 1800 },
]

/**
 * Looks at a page as it is on a desktop and on a phone, in light and dark: nothing may be wider than the screen, which
 * would have to be scrolled sideways. Pictures are kept where REEF_TEST_SCREENSHOTS says.
 */
export async function lookAt(page: Page, name: string): Promise<void> {
  for (const { name: size, width, height } of sizes) {
    await page.setViewportSize({ width, height })
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme })
      await picture(page, `${name}-${size}-${colorScheme}`)
    }
    // As text: what runs in the page is of the browser's world, which this project's types know nothing of.
    const wider = await page.evaluate(`
      [...document.querySelectorAll('main, main > *, main > * > *, [role=dialog], [role=alertdialog]')]
        .filter((element) => element.scrollWidth > element.clientWidth + 1).length`)
    expect(wider, `${name} on a ${size} is wider than the screen`).toBe(0)
  }
  await page.emulateMedia({ colorScheme: 'light' })
  await page.setViewportSize({ width: 1280, height: 900 })
}
