import type { Locator, Page } from 'playwright-core'

/** A cold OpenClaw on a busy machine. */
const launchMillisecondsMax = 180_000
const answerMillisecondsMax = 60_000

/** The dashboard as a person uses it: by what is written on it. */
export function dashboard(page: Page, url: string) {
  const button = (name: string | RegExp) => page.getByRole('button', { name, exact: true })
  const goTo = (name: string) =>
    page
      .getByRole('navigation')
      // Beside these two stands how it is with them.
      .getByRole('link', { name, exact: name !== 'Instance' && name !== 'Credits' })
      .first()
  const message = page.getByRole('textbox', { name: 'Message' })
  const answers = page.getByRole('article', { name: 'OpenClaw' })

  return {
    message,
    answers,
    button,
    stop: button('Stop'),
    goTo: (name: 'Chat' | 'Instance' | 'Credits' | 'Settings' | 'API keys' | 'Members') => goTo(name).click(),

    async signUp(person: { name: string; email: string; password: string }): Promise<void> {
      await page.goto(url)
      await page.getByRole('link', { name: 'Sign up' }).click()
      await page.getByLabel('Name').fill(person.name)
      await page.getByLabel('E-mail').fill(person.email)
      await page.getByLabel('Password').fill(person.password)
      await button('Sign up').click()
      await button('Start my OpenClaw').waitFor()
    },

    async launch(): Promise<void> {
      await button('Start my OpenClaw').click()
      await page.getByRole('list', { name: 'Steps' }).waitFor()
      await message.waitFor({ timeout: launchMillisecondsMax })
    },

    /** Sends and returns once words of the answer are there; it may still be under way. */
    async say(text: string): Promise<void> {
      await message.fill(text)
      await message.press('Enter')
      await page.getByRole('article', { name: 'You' }).last().getByText(text, { exact: true }).waitFor()
    },

    /** The newest answer, once it is complete. */
    async answer(): Promise<Locator> {
      await button('Send').waitFor({ timeout: answerMillisecondsMax })
      await answers.last().waitFor()
      return answers.last()
    },
  }
}
