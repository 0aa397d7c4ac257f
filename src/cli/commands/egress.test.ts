import { expect, it } from 'vitest'
import { formatDenied, formatEgress } from './egress.ts'

const egress = {
  ownMode: null,
  mode: 'allow_list' as const,
  openPermitted: false,
  enforced: true,
  notice: '',
  traffic: null,
}
const rule = { domain: 'example.com', ports: [], inherited: false, createdAt: '2026-01-01T00:00:00.000Z' }

it('shows what may be reached, and what to do when that is nothing', () => {
  expect(formatEgress({ ...egress, rules: [] })).toContain('reef egress allow DOMAIN')
  expect(formatEgress({ ...egress, mode: 'open', rules: [] })).toBe('Every public address may be reached.')
  expect(
    formatEgress({
      ...egress,
      rules: [rule, { ...rule, domain: '*.example.org', ports: [22], inherited: true }],
    }),
  ).toBe(
    [
      'DOMAIN         PORTS   FROM',
      'example.com    80 443  here',
      '*.example.org  22      organization',
    ].join('\n'),
  )
})

it('shows with what was refused how to allow it, where that helps', () => {
  const denied = {
    host: 'api.example.com',
    ports: [443],
    reason: 'not_listed',
    attempts: 3,
    lastAt: '2026-01-01T00:00:00.000Z',
    canAllow: true,
  }
  const text = formatDenied(
    [denied, { ...denied, host: '10.0.0.1', reason: 'address', canAllow: false }],
    new Date('2026-01-01T00:01:00.000Z'),
  )
  expect(text).toContain('not_listed (reef egress allow api.example.com)  3         1 min ago')
  expect(text).not.toContain('allow 10.0.0.1')
})
