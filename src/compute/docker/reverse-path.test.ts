import { expect, it } from 'vitest'
import { checkReversePath } from './reverse-path.ts'

const check = (all: number, standard: number) => checkReversePath((name) => (name === 'all' ? all : standard))

it('only strict filtering of senders keeps broadcasts from the host', () => {
  expect([check(0, 1).ok, check(1, 0).ok, check(1, 1).ok]).toEqual([true, true, true])
  expect([check(0, 0).ok, check(0, 2).ok, check(2, 1).ok]).toEqual([false, false, false])
})

it('says the commands that close it', () => {
  expect(check(0, 0).detail).toContain('rp_filter = 1')
})

it('is no concern of a machine that is not Linux', () => {
  const missing = () => {
    throw new Error('no such file')
  }
  expect(checkReversePath(missing).ok).toBe(true)
})
