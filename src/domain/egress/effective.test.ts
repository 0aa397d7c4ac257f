import { expect, it } from 'vitest'
import { effectiveEgress } from './effective.ts'

const rule = (domain: string) => ({ domain, ports: [] })

it('a slot that nobody owns reaches nothing', () => {
  expect(effectiveEgress(null, null, true)).toEqual({ mode: 'none', rules: [] })
})

it('without any setting it is an allow-list of the rules of both', () => {
  const organization = { mode: null, rules: [rule('a.example')] }
  expect(effectiveEgress(organization, { mode: null, rules: [rule('b.example')] }, true)).toEqual({
    mode: 'allow_list',
    rules: [rule('a.example'), rule('b.example')],
  })
})

it('an instance’s own mode goes before its organization’s', () => {
  const open = { mode: 'open' as const, rules: [] }
  const list = { mode: 'allow_list' as const, rules: [] }
  expect(effectiveEgress(open, list, true).mode).toBe('allow_list')
  expect(effectiveEgress(list, open, true).mode).toBe('open')
  expect(effectiveEgress(open, { mode: null, rules: [] }, true).mode).toBe('open')
})

it('`open` holds only while the operator permits it', () => {
  expect(effectiveEgress({ mode: 'open', rules: [] }, null, false).mode).toBe('allow_list')
})
