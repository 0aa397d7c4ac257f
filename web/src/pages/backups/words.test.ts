import { expect, test } from 'vitest'
import { countText, locationText, remedyOf } from './words.ts'

test('says where a backup is, also when it is on its way', () => {
  expect(locationText(['local', 'remote'])).toBe('On this machine and in the remote store')
  expect(locationText(['local'])).toBe('On this machine')
  expect(locationText(['remote'])).toBe('In the remote store')
  expect(locationText([])).toBe('Nowhere yet')
})

test('offers something to do for an alarm that this dashboard does not know', () => {
  expect(remedyOf({ kind: 'moon_too_close' })).toContain('operator')
})

test('counts one and many', () => {
  expect(countText(1, 'file', 'files')).toBe('1 file')
  expect(countText(1200, 'file', 'files')).toBe('1,200 files')
})
