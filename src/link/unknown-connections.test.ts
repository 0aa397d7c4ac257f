import { expect, test } from 'vitest'
import { createUnknownConnections } from './unknown-connections.ts'

function fill(connectionsMax: number) {
  const unknown = createUnknownConnections<string>(connectionsMax)
  const turnedAway: string[] = []
  const add = (key: string) => {
    const room = unknown.makeRoom()
    if (room) unknown.add(key, () => turnedAway.push(key))
    return room
  }
  return { unknown, turnedAway, add }
}

test('at the limit whoever has been silent longest makes room for the next', () => {
  const { turnedAway, add } = fill(3)
  for (const key of ['a', 'b', 'c', 'd', 'e']) expect(add(key)).toBe(true)
  expect(turnedAway).toEqual(['a', 'b'])
})

test('whoever has said hello is turned away for nobody', () => {
  const { unknown, turnedAway, add } = fill(3)
  for (const key of ['a', 'b', 'c']) add(key)
  unknown.heard('a')
  add('d')
  expect(turnedAway).toEqual(['b'])
  for (const key of ['c', 'd']) unknown.heard(key)
  expect(add('e')).toBe(false)
  expect(turnedAway).toEqual(['b'])
})

test('whoever was admitted or has gone takes no room', () => {
  const { unknown, turnedAway, add } = fill(2)
  for (const key of ['a', 'b']) add(key)
  unknown.heard('a')
  unknown.remove('a')
  unknown.remove('b')
  // Too late to count again.
  unknown.heard('b')
  for (const key of ['c', 'd']) expect(add(key)).toBe(true)
  expect(turnedAway).toEqual([])
})
