import { expect, it } from 'vitest'
import { checkReversePath } from './reverse-path.ts'

const check = (all: number, standard: number, isRoot = false) =>
  checkReversePath((name) => (name === 'all' ? all : standard), isRoot)

it('only strict filtering of senders keeps broadcasts from the host', () => {
  expect([check(0, 1).ok, check(1, 0).ok, check(1, 1).ok]).toEqual([true, true, true])
  expect([check(0, 0).ok, check(0, 2).ok, check(2, 1).ok]).toEqual([false, false, false])
})

it('is closed by Reef itself where it is root, unless the whole machine takes every sender', () => {
  expect([check(0, 0, true).ok, check(2, 0, true).ok]).toEqual([true, false])
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
