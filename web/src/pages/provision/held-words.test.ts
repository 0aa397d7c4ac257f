import { expect, it } from 'vitest'
import { heldWords } from './held-words.ts'

const held = { code: 'credits_exhausted', message: 'Buy some.' }

it('leads to credits whoever is held for lack of them', () => {
  expect(heldWords({ status: 'stopped', desiredState: 'running', reason: held })).toMatchObject({
    lead: 'Buy some.',
    button: 'Get credits',
  })
  const budget = { ...held, code: 'budget_exhausted' }
  expect(heldWords({ status: 'stopping', desiredState: 'running', reason: budget })?.title).toBe(
    'A budget is spent',
  )
})

it('leaves alone what a person stopped, what goes on again, and what failed for another reason', () => {
  expect(heldWords(null)).toBeUndefined()
  expect(heldWords({ status: 'stopped', desiredState: 'stopped', reason: held })).toBeUndefined()
  expect(heldWords({ status: 'provisioning', desiredState: 'running', reason: held })).toBeUndefined()
  const other = { code: 'crashed', message: 'It crashed.' }
  expect(heldWords({ status: 'stopped', desiredState: 'running', reason: other })).toBeUndefined()
})
