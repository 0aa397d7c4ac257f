import { expect, test } from 'vitest'
import type { Instance } from '../api/types.ts'
import { chatIsOpen, hasConversations, isAwake } from './instance-state.ts'

type State = Pick<Instance, 'status' | 'desiredState' | 'sleep'>
const sleep: Instance['sleep'] = {
  rung: 'stopped',
  since: '2026-02-08T00:00:00.000Z',
  wakesAt: null,
  billed: 'Storage.',
  survives: 'Everything.',
}
const running: State = { status: 'running', desiredState: 'running', sleep: null }
const starting: State = { ...running, status: 'provisioning' }
const asleep: State = { ...running, status: 'stopped', sleep }
const stopped: State = { status: 'stopped', desiredState: 'stopped', sleep: null }

test('a sleeping instance opens the chat like a running one, whatever its machine does', () => {
  for (const status of ['running', 'suspended', 'stopping', 'stopped'] as const)
    expect(chatIsOpen({ ...asleep, status }, false)).toBe(true)
})

test('an instance that a person stopped, that failed or that is not there does not open the chat', () => {
  expect(chatIsOpen(null, true)).toBe(false)
  expect(chatIsOpen(stopped, true)).toBe(false)
  expect(chatIsOpen({ ...running, status: 'failed' }, true)).toBe(false)
})

test('a first launch is watched on its card, but an open chat stays open while the instance wakes', () => {
  expect(chatIsOpen(starting, false)).toBe(false)
  expect(chatIsOpen(starting, true)).toBe(true)
})

test('nothing is asked of an instance that sleeps or is about to, which would wake it', () => {
  expect(isAwake(running)).toBe(true)
  expect(isAwake(asleep)).toBe(false)
  expect(isAwake({ ...running, sleep })).toBe(false)
})

test('lists conversations of what sleeps, and none of what a person stopped', () => {
  expect(hasConversations(asleep)).toBe(true)
  expect(hasConversations(stopped)).toBe(false)
})
