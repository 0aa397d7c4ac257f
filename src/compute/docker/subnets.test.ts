import { expect, test } from 'vitest'
import { addressesIn, freePlaces, parseRange, subnetAt } from './subnets.ts'

const range = parseRange('10.213.0.0/24')
const lowest = (taken: string[]) => {
  const { value } = freePlaces(range, taken, 'lowest').next()
  return value === undefined ? undefined : subnetAt(range, value)
}

test('a range is cut into networks of 16 addresses', () => {
  expect(range.count).toBe(16)
  expect(parseRange('10.213.0.0/16').count).toBe(4096)
  expect(addressesIn('10.213.0.16/28')).toEqual({
    subnet: '10.213.0.16/28',
    bridge: '10.213.0.17',
    gate: '10.213.0.18',
    instance: '10.213.0.19',
  })
})

test('the lowest network that overlaps with none of the host is taken', () => {
  expect(lowest([])).toBe('10.213.0.0/28')
  expect(lowest(['10.213.0.0/28', '10.213.0.32/28'])).toBe('10.213.0.16/28')
  expect(lowest(['10.213.0.0/27'])).toBe('10.213.0.32/28')
  expect(lowest(['10.213.0.5/32'])).toBe('10.213.0.16/28')
  expect(lowest(['10.0.0.0/8'])).toBeUndefined()
  expect(lowest(['172.17.0.0/16', 'fd00::/64', ''])).toBe('10.213.0.0/28')
})

test('the highest goes to what serves them all', () => {
  const { value = 0 } = freePlaces(range, ['10.213.0.240/28'], 'highest').next()
  expect(subnetAt(range, value)).toBe('10.213.0.224/28')
})

test('what is no range is refused with an example', () => {
  for (const text of [
    '10.213.0.0',
    '10.213.0.0/30',
    '10.213.0.1/16',
    '300.0.0.0/16',
    'fd00::/64',
    '10.0.0.0/7',
    '',
  ])
    expect(() => parseRange(text), text).toThrow('10.213.0.0/16')
})
