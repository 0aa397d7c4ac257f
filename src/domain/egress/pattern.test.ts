import fc from 'fast-check'
import { expect, it } from 'vitest'
import { matches } from '../../../gate/policy.ts'
import { ReefError } from '../../errors.ts'
import { parseDomain } from './pattern.ts'
import { presets } from './presets.ts'

it('what is taken is stored in one spelling, and taken again as it is', () => {
  fc.assert(
    fc.property(fc.domain(), fc.boolean(), fc.boolean(), (domain, wildcard, upper) => {
      const text = (wildcard ? '*.' : '') + (upper ? domain.toUpperCase() : domain)
      let parsed: string
      try {
        parsed = parseDomain(` ${text}. `)
      } catch (error) {
        expect(error).toBeInstanceOf(ReefError)
        return
      }
      expect(parseDomain(parsed)).toBe(parsed)
      expect(matches(parsed, wildcard ? `x.${domain.toLowerCase()}` : domain.toLowerCase())).toBe(true)
    }),
  )
})

it('anything else is refused with a message and the field, and nothing worse', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (text) => {
      try {
        expect(parseDomain(text)).toMatch(/^(\*\.)?([a-z0-9_-]+\.)+[a-z0-9_-]+$/)
      } catch (error) {
        expect(error).toMatchObject({ kind: 'invalid', field: 'domain' })
      }
    }),
    { numRuns: 2_000 },
  )
})

it('presets hold nothing but what a person could have written, each once', () => {
  for (const preset of presets)
    expect(preset.domains.map((domain) => parseDomain(domain))).toEqual(preset.domains)
  expect(new Set(presets.map((preset) => preset.id)).size).toBe(presets.length)
})
