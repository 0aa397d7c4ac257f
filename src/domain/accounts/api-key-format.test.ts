import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { apiKeyHint, isWellFormedApiKey, newApiKey } from './api-key-format.ts'

describe('API key format', () => {
  it('makes keys that are well formed, and no two alike', () => {
    const keys = Array.from({ length: 1000 }, newApiKey)
    expect(new Set(keys).size).toBe(1000)
    for (const key of keys) {
      expect(key).toMatch(/^oc_[0-9A-Za-z]{42}$/)
      expect(isWellFormedApiKey(key)).toBe(true)
    }
  })

  it('tells any single mistyped, missing, added or swapped character from a key', () => {
    const characters = [...'0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_-. ']
    fc.assert(
      fc.property(fc.nat(44), fc.constantFrom(...characters), (position, character) => {
        const key = newApiKey()
        const before = key.slice(0, position)
        const after = key.slice(position + 1)
        const swapped = before + after.slice(0, 1) + key.slice(position, position + 1) + after.slice(1)
        for (const typo of [
          before + character + after,
          before + after,
          before + character + key.slice(position),
          swapped,
        ])
          if (typo !== key) expect(isWellFormedApiKey(typo)).toBe(false)
      }),
    )
  })

  it('hints at a key without giving it away', () => {
    const key = newApiKey()
    expect(apiKeyHint(key)).toBe(`${key.slice(0, 7)}…${key.slice(-4)}`)
  })
})
