import { expect, test } from 'vitest'
import { launchSteps } from './launch-steps.ts'

const at = (seconds: number) => new Date(seconds * 1000).toISOString()

test('shows what is done with its time, what runs with the time so far, and what is still to come', () => {
  const steps = launchSteps(
    [
      { name: 'requested', startedAt: at(0), finishedAt: at(1) },
      { name: 'slot_claimed', startedAt: at(1), finishedAt: null },
    ],
    4_000,
  )
  expect(steps.map(({ state, durationMs }) => [state, durationMs])).toEqual([
    ['done', 1_000],
    ['done', null],
    ['active', 3_000],
    ['waiting', null],
    ['waiting', null],
    ['waiting', null],
  ])
})

test('counts steps as done that a warm slot had behind it', () => {
  const steps = launchSteps([{ name: 'openclaw_ready', startedAt: at(0), finishedAt: null }], 0)
  expect(steps.map(({ state }) => state)).toEqual(['done', 'done', 'done', 'done', 'active', 'waiting'])
})

test('shows a step that it does not know under the server’s name', () => {
  const steps = launchSteps([{ name: 'state_restored', startedAt: at(0), finishedAt: at(1) }], 0)
  expect(steps.at(-1)).toMatchObject({ label: 'State restored', state: 'done' })
})
