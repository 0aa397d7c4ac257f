import { expect, test } from 'vitest'
import { createStepDisplay } from './steps.ts'

function fakeOutput() {
  const written: string[] = []
  return { written, write: (text: string) => written.push(text), isTTY: false }
}

test('without a terminal each finished step is one plain line, with its time when it was slow', () => {
  const output = fakeOutput()
  let now = 0
  const steps = createStepDisplay(output, () => now)
  steps.show({ name: 'Database', state: 'start' })
  now = 1234
  steps.show({ name: 'Database', state: 'done', detail: 'PostgreSQL 18' })
  steps.show({ name: 'Proxy', state: 'start' })
  steps.show({ name: 'Proxy', state: 'done' })
  steps.end()
  expect(output.written).toEqual(['✔ Database: PostgreSQL 18 1.2 s\n', '✔ Proxy\n'])
})

test('no step prints a URL, so that the dashboard’s is the first on the screen', () => {
  const output = fakeOutput()
  const steps = createStepDisplay(output, () => 0)
  steps.show({ name: 'Proxy', state: 'done', detail: 'http://127.0.0.1:7301' })
  expect(output.written.join('')).not.toMatch(/https?:\/\//)
})

test('on a terminal the spinner’s line is gone once the steps have ended', () => {
  const output = { ...fakeOutput(), isTTY: true }
  const steps = createStepDisplay(output, () => 0)
  steps.show({ name: 'Database', state: 'start' })
  expect(output.written.join('')).toContain('Database')
  steps.end()
  expect(output.written.at(-1)).toBe('\r\u001b[2K')
})
