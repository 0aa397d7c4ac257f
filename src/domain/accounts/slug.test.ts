import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { slugFrom, slugWithSuffix } from './slug.ts'

// As the tables check it.
const slug = /^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$/

describe('slug', () => {
  it('keeps what it can of a name', () => {
    expect(slugFrom('Ada Lovelace')).toBe('ada-lovelace')
    expect(slugFrom('  Café "Zoë" & Søns  ')).toBe('cafe-zoe-s-ns')
    expect(slugFrom('日本')).toBe('organization')
  })

  it('is one that the database takes, whatever the name', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 120 }), (name) => {
        expect(slugFrom(name)).toMatch(slug)
        expect(slugWithSuffix(slugFrom(name))).toMatch(slug)
      }),
    )
    expect(slugFrom(`${'a'.repeat(39)}-b`)).toMatch(slug)
  })
})
