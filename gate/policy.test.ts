import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decide, matches } from './policy.ts'
import type { Egress } from './protocol.ts'
import { readAuthority } from './target.ts'

const list = (...rules: [domain: string, ...ports: number[]][]): Egress => ({
  mode: 'allow_list',
  rules: rules.map(([domain, ...ports]) => ({ domain, ports })),
})
const ask = (authority: string, egress: Egress) => {
  const decision = decide(readAuthority(authority), egress)
  return decision.allowed ? 'allowed' : decision.reason
}

describe('an allow-list', () => {
  it('allows its names at the ports of the web, and at those that it lists instead', () => {
    const egress = list(['example.com'], ['db.example.com', 5432])
    expect(ask('example.com:443', egress)).toBe('allowed')
    expect(ask('example.com:80', egress)).toBe('allowed')
    expect(ask('example.com:22', egress)).toBe('port')
    expect(ask('db.example.com:5432', egress)).toBe('allowed')
    expect(ask('db.example.com:443', egress)).toBe('port')
    expect(ask('other.example.com:443', egress)).toBe('not_listed')
  })

  it('joins the ports of several rules that name the same server', () => {
    const egress = list(['*.example.com'], ['db.example.com', 5432])
    expect(ask('db.example.com:443', egress)).toBe('allowed')
    expect(ask('db.example.com:5432', egress)).toBe('allowed')
  })

  it('never allows an address, whatever it lists', () => {
    expect(ask('1.2.3.4:443', list(['1.2.3.4']))).toBe('address')
    expect(ask('[2001:db8::1]:443', list(['*.1']))).toBe('address')
  })

  it('allows exactly what ends in a wildcard’s name after a dot', () => {
    const part = fc.stringMatching(/^[a-z]{1,6}$/)
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 3 }), part, (below, other) => {
        const host = [...below, 'example.com'].join('.')
        expect(matches('*.example.com', host)).toBe(true)
        expect(matches('*.example.com', `${other}example.com`)).toBe(false)
        expect(matches('*.example.com', `${host}.${other}`)).toBe(false)
      }),
    )
    expect(matches('*.example.com', 'example.com')).toBe(false)
  })
})

describe('the other modes', () => {
  it('`open` allows every name at the ports of the web, and others where they are listed', () => {
    const egress: Egress = { mode: 'open', rules: [{ domain: 'git.example.com', ports: [22] }] }
    expect(ask('anything.test:443', egress)).toBe('allowed')
    expect(ask('anything.test:22', egress)).toBe('port')
    expect(ask('git.example.com:22', egress)).toBe('allowed')
    expect(ask('git.example.com:443', egress)).toBe('allowed')
    expect(ask('localhost:80', egress)).toBe('not_listed')
    expect(ask('1.2.3.4:443', egress)).toBe('address')
  })

  it('`none` allows nothing', () => {
    expect(ask('example.com:443', { mode: 'none', rules: [{ domain: 'example.com', ports: [] }] })).toBe(
      'no_egress',
    )
  })
})
