import { expect, test } from 'vitest'
import { normalizeHostname } from './hostname.ts'

const names = { domain: 'reef.example', own: new Set(['app.reef.net']) }
const normalize = (typed: string) => normalizeHostname(typed, names)

test.each([
  ['claw.ada.dev', 'claw.ada.dev'],
  [' Claw.Ada.DEV. ', 'claw.ada.dev'],
  ['ada.dev', 'ada.dev'],
  ['bücher.example', 'xn--bcher-kva.example'],
  ['例え.テスト', 'xn--r8jz45g.xn--zckzah'],
  ['co.uk.ada.dev', 'co.uk.ada.dev'],
  ['www.ada.co.uk', 'www.ada.co.uk'],
])('%s is kept as %s', (typed, hostname) => expect(normalize(typed)).toBe(hostname))

test.each([
  ['https://claw.ada.dev', /bare name/],
  ['claw.ada.dev/path', /bare name/],
  ['claw.ada.dev:8443', /bare name/],
  ['*.ada.dev', /bare name/],
  ['ada@ada.dev', /bare name/],
  ['', /not a domain name/],
  ['ada', /not a domain name/],
  ['-ada.dev', /not a domain name/],
  ['ada..dev', /not a domain name/],
  ['a_b.dev', /not a domain name/],
  ['127.0.0.1', /not a domain name/],
  ['0x7f.1', /not a domain name/],
  [`${'a'.repeat(64)}.dev`, /not a domain name/],
  [`${'a.'.repeat(126)}dev`, /not a domain name/],
  ['co.uk', /registry/],
  ['com.au', /registry/],
  ['ada.localhost', /cannot be reached/],
  ['printer.local', /cannot be reached/],
  ['metadata.google.internal', /cannot be reached/],
  ['1.0.0.127.in-addr.arpa', /cannot be reached/],
  ['reef.example', /Reef’s own/],
  ['ada.reef.example', /Reef’s own/],
  ['ADA.Reef.Example.', /Reef’s own/],
  ['app.reef.net', /Reef’s own/],
])('%s is refused', (typed, reason) => expect(() => normalize(typed)).toThrow(reason))
