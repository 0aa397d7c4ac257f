import { expect, it } from 'vitest'
import { mailboxOf, networkOf } from './trial-address.ts'

it.each([
  ['ada@example.com', 'Ada@Example.com'],
  ['ada@example.com', 'ada+trial@example.com'],
  ['ada@gmail.com', 'a.d.a+x@googlemail.com'],
  ['ada@gmail.com', 'ada@gmail.com.'],
  ['ada@proton.me', 'ada+1@protonmail.com'],
  ['ada@icloud.com', 'ada@me.com'],
  ['ada@yahoo.de', 'ada-shop@yahoo.de'],
])('%s is the mailbox of %s', (mailbox, email) => {
  expect(mailboxOf(email)).toBe(mailbox)
})

it.each([
  ['a.da@example.com', 'ada@example.com'],
  ['ada-x@example.com', 'ada@example.com'],
  ['ada@yahoo.de', 'ada@yahoo.com'],
])('%s and %s are two mailboxes', (one, other) => {
  expect(mailboxOf(one)).not.toBe(mailboxOf(other))
})

it.each([
  ['203.0.113.7', '203.0.113.0/24'],
  ['::ffff:203.0.113.7', '203.0.113.0/24'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:DB8:1:2::9', '2001:db8:1:2::/64'],
  ['2001:db8::1', '2001:db8:0:0::/64'],
])('%s is of %s', (address, network) => {
  expect(networkOf(address)).toBe(network)
})

it.each(['127.0.0.1', '::1', '::ffff:127.0.0.1', 'nonsense'])('%s is of no network', (address) => {
  expect(networkOf(address)).toBeUndefined()
})
