import { expect, test } from 'vitest'
import { createFronts, isNetwork } from './fronts.ts'

const fronts = createFronts({ token: 'the token', trusted: ['10.0.0.0/8', '2001:db8::1'] })
const client = (remoteAddress: string | undefined, forwardedFor?: string, ingressToken?: string) =>
  fronts.clientAddress({ remoteAddress, forwardedFor, ingressToken })

test('without a front the peer is the client', () => {
  expect(client('203.0.113.9')).toBe('203.0.113.9')
  expect(client('::ffff:203.0.113.9')).toBe('203.0.113.9')
  expect(client(undefined)).toBeUndefined()
})

test('a stranger’s X-Forwarded-For is never believed', () => {
  expect(client('203.0.113.9', '6.6.6.6')).toBe('203.0.113.9')
  expect(client('127.0.0.1', '6.6.6.6')).toBe('127.0.0.1')
  expect(client('127.0.0.1', '6.6.6.6', 'another token')).toBe('127.0.0.1')
  expect(client('127.0.0.1', '6.6.6.6', 'the token, the token')).toBe('127.0.0.1')
})

test('whoever sends the token is Reef’s own Caddy', () => {
  expect(client('127.0.0.1', '203.0.113.9', 'the token')).toBe('203.0.113.9')
  expect(client('127.0.0.1', undefined, 'the token')).toBe('127.0.0.1')
})

test('of several addresses the last that no front has is the client’s', () => {
  expect(client('10.1.1.1', '6.6.6.6, 203.0.113.9')).toBe('203.0.113.9')
  expect(client('10.1.1.1', '6.6.6.6, 203.0.113.9, 10.2.2.2')).toBe('203.0.113.9')
  expect(client('10.1.1.1', '10.3.3.3, 10.2.2.2')).toBe('10.3.3.3')
  expect(client('2001:db8::1', '2001:db8::99')).toBe('2001:db8::99')
})

test('what is no address ends the search', () => {
  expect(client('10.1.1.1', 'unknown')).toBe('10.1.1.1')
  expect(client('10.1.1.1', '203.0.113.9, unknown, 10.2.2.2')).toBe('10.2.2.2')
  expect(client('10.1.1.1', '203.0.113.9:4711')).toBe('203.0.113.9')
  expect(client('10.1.1.1', '[2001:db8::5]:443')).toBe('2001:db8::5')
})

test('addresses and networks are told from other texts', () => {
  expect(['10.0.0.1', '10.0.0.0/8', '::1', 'fd00::/8'].every(isNetwork)).toBe(true)
  expect(['', 'localhost', '10.0.0.0/33', '10.0.0.0/8/8', '10.0.0/8', '::/129'].some(isNetwork)).toBe(false)
})
