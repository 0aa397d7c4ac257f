import { describe, expect, it } from 'vitest'
import { newSlug } from './slug.ts'

describe('newSlug', () => {
  it.each([
    ['Ada Lovelace', /^ada-lovelace-[a-z0-9]{6}$/],
    ['Zoë’s claw!', /^zoe-s-claw-[a-z0-9]{6}$/],
    ['--', /^claw-[a-z0-9]{6}$/],
    ['日本', /^claw-[a-z0-9]{6}$/],
    ['a name that is much longer than an address should be', /^a-name-that-is-much-long-[a-z0-9]{6}$/],
  ])('makes a DNS label that resembles %s', (name, pattern) => {
    expect(newSlug(name)).toMatch(pattern)
    expect(newSlug(name).length).toBeLessThanOrEqual(40)
  })

  it('does not repeat itself', () => {
    expect(new Set(Array.from({ length: 1000 }, () => newSlug('x'))).size).toBe(1000)
  })
})
