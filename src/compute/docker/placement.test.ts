import { expect, test } from 'vitest'
import { type Candidate, choosePlace } from './placement.ts'

const gibibyte = 1024 ** 3
const host = (name: string, change: Partial<Candidate> = {}): Candidate => ({
  name,
  state: 'active',
  memoryAvailableBytes: 8 * gibibyte,
  justPlaced: 0,
  ...change,
})

test('a slot goes where most memory is really free', () => {
  expect(choosePlace([host('a'), host('b', { memoryAvailableBytes: 9 * gibibyte }), host('c')])).toBe('b')
})

test('many at once are spread before the first of them shows in the memory', () => {
  const hosts = [host('a'), host('b', { memoryAvailableBytes: 9 * gibibyte })]
  const placed = Array.from({ length: 6 }, () => {
    const name = choosePlace(hosts)
    for (const one of hosts) if (one.name === name) one.justPlaced += 1
    return name
  })
  expect(placed.filter((name) => name === 'a')).toHaveLength(3)
})

test('a host that drains or does not answer gets none', () => {
  const full = host('full', { memoryAvailableBytes: 0 })
  expect(choosePlace([host('a', { state: 'draining' }), host('b', { state: 'unreachable' }), full])).toBe(
    'full',
  )
})

test('when none is left the reason says whether waiting helps', () => {
  expect(() => choosePlace([host('a', { state: 'draining' })])).toThrow(
    expect.objectContaining({ reason: 'no_capacity' }),
  )
  expect(() => choosePlace([host('a', { state: 'draining' }), host('b', { state: 'unreachable' })])).toThrow(
    expect.objectContaining({ reason: 'unavailable' }),
  )
})
