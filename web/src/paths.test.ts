import { expect, test } from 'vitest'
import { safeReturnPath } from './paths.ts'

test('returns to pages of this dashboard', () => {
  expect(safeReturnPath('/settings/api-keys?x=1')).toBe('/settings/api-keys?x=1')
})

test.each([
  'https://evil.example',
  '//evil.example',
  '/\\evil.example',
  'javascript:alert(1)',
  '',
  undefined,
  7,
])('never returns to %s', (value) => {
  expect(safeReturnPath(value)).toBeUndefined()
})
