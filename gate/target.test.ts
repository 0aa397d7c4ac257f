import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { normaliseName, readAbsolute, readAuthority } from './target.ts'

const label = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?$/)
/** Ordinary names, whose last label is no number. */
const name = fc
  .tuple(fc.array(label, { minLength: 1, maxLength: 4 }), fc.stringMatching(/^[a-z]{2,8}$/))
  .map(([labels, top]) => [...labels, top].join('.'))
  .filter((text) => !text.includes('xn--'))
const port = fc.integer({ min: 1, max: 65_535 })

describe('an authority', () => {
  it('means the one host and port that it names, in one spelling', () => {
    fc.assert(
      fc.property(name, port, fc.boolean(), fc.boolean(), (host, number, upper, dot) => {
        const spelled = (upper ? host.toUpperCase() : host) + (dot ? '.' : '')
        expect(readAuthority(`${spelled}:${number}`)).toEqual({ kind: 'name', host, port: number })
      }),
    )
  })

  it('is never read as a name unless it is written in the characters of names', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 40 }), (text) => {
        const target = readAuthority(text, 443)
        if (target.kind === 'name') expect(text.toLowerCase()).toMatch(/^[a-z0-9_.-]+(:[0-9]+)?$/)
      }),
      { numRuns: 2_000 },
    )
  })

  it('with anything strange put into it is another name or none, and never the name without it', () => {
    const strange = fc.constantFrom(
      '\0',
      '%00',
      '@',
      '#',
      '?',
      '/',
      '\\',
      ' ',
      '\t',
      '\r\n',
      '[',
      ']',
      '%2e',
      'ａ',
      '。',
    )
    fc.assert(
      fc.property(name, strange, fc.nat(), (host, addition, at) => {
        const cut = at % (host.length + 1)
        expect(readAuthority(`${host.slice(0, cut)}${addition}${host.slice(cut)}:443`)).toEqual({
          kind: 'malformed',
        })
      }),
    )
  })

  it.each([
    '127.0.0.1:443',
    '2130706433:443',
    '0x7f000001:443',
    '0x7f.1:443',
    '0177.0.0.1:443',
    '127.1:443',
    '1.2.3.4.:443',
    '[::1]:443',
    '[::ffff:127.0.0.1]:443',
    '[::ffff:7f00:1]:443',
    'example.com.0x1:443',
  ])('%j is an address, however it is written', (text) => {
    expect(readAuthority(text).kind).toBe('address')
  })

  it.each([
    '',
    ':443',
    'example.com',
    'example.com:',
    'example.com:0',
    'example.com:65536',
    'example.com:+80',
    'example.com:80:443',
    'example..com:443',
    '.example.com:443',
    'example.com..:443',
    '-example.com:443',
    'user@example.com:443',
    'example.com@evil.test:443',
    'http://example.com:443',
    '[::1:443',
    '::1:443',
    '[fe80::1%25eth0]:443',
    `${'a'.repeat(64)}.com:443`,
    `${'a.'.repeat(150)}com:443`,
    'bücher.example:443',
    'xn--:443',
    'xn--\u0000.example:443',
  ])('%j is refused', (text) => {
    expect(readAuthority(text)).toEqual({ kind: 'malformed' })
  })

  it('in Punycode is a name when it is proper Punycode', () => {
    expect(readAuthority('XN--BCHER-KVA.example:443')).toEqual({
      kind: 'name',
      host: 'xn--bcher-kva.example',
      port: 443,
    })
  })
})

describe('an absolute URL', () => {
  it('is split into whom it asks and what', () => {
    expect(readAbsolute('http://Example.com/a?b')).toEqual({
      target: { kind: 'name', host: 'example.com', port: 80 },
      path: '/a?b',
    })
    expect(readAbsolute('http://example.com:8080?b')?.path).toBe('/?b')
  })

  it.each([
    '/path',
    '*',
    'https://example.com/',
    'ftp://example.com/',
    'http:/example.com/',
    'http:example.com',
    'http://example.com\\@evil.test/',
  ])('%j is none of plain HTTP', (url) => {
    expect(readAbsolute(url)).toBeUndefined()
  })

  it('with credentials names no server', () => {
    expect(readAbsolute('http://example.com@evil.test/')?.target).toEqual({ kind: 'malformed' })
  })
})

it('names are compared without the dot at their end and without case', () => {
  expect(normaliseName('EXAMPLE.com.')).toBe('example.com')
})
