import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { type BundledChunk, weighPages } from './bundle-budget.ts'

/** Text that does not compress below half of its length, so that weights can be told apart. */
function chunk(bytes: number, links: Partial<BundledChunk> = {}): BundledChunk {
  return {
    code: randomBytes(bytes).toString('hex'),
    isEntry: false,
    imports: [],
    dynamicImports: [],
    ...links,
  }
}

const chunks = new Map<string, BundledChunk>([
  [
    'entry.js',
    chunk(1_000, { isEntry: true, imports: ['shared.js'], dynamicImports: ['app-layout.js', 'page.js'] }),
  ],
  ['shared.js', chunk(2_000)],
  ['app-layout.js', chunk(4_000, { imports: ['shared.js'] })],
  ['page.js', chunk(8_000, { imports: ['shared.js', 'widget.js'], dynamicImports: ['chart.js'] })],
  ['widget.js', chunk(16_000)],
  ['chart.js', chunk(500_000)],
])

describe('weighPages', () => {
  const weights = new Map(
    weighPages(chunks, /app-layout/).map(({ page, gzipBytes }) => [page, gzipBytes] as const),
  )

  test('counts a page with the entry, its layout and all that they import, each once', () => {
    expect(weights.get('page.js')).toBeGreaterThan(31_000)
    expect(weights.get('page.js')).toBeLessThan(40_000)
  })

  test('leaves out what a page loads later', () => {
    expect(Math.max(...weights.values())).toBeLessThan(500_000)
  })

  test('counts the entry alone without the layout', () => {
    expect(weights.get('entry.js')).toBeLessThan(4_000)
  })

  test('puts the heaviest page first', () => {
    expect(weighPages(chunks, /app-layout/)[0]?.page).toBe('page.js')
  })
})
