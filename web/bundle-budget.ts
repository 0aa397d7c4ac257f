import { gzipSync } from 'node:zlib'
import type { Plugin } from 'vite'

export interface BundledChunk {
  code: string
  isEntry: boolean
  imports: string[]
  dynamicImports: string[]
}

export interface PageWeight {
  page: string
  gzipBytes: number
}

/**
 * What a browser must download before each page works: the entry with its static imports and, for every page that the
 * entry loads lazily, the layout around it and its own chunk, each with their static imports. Heaviest first.
 */
export function weighPages(chunks: Map<string, BundledChunk>, layout: RegExp): PageWeight[] {
  const weights = new Map<string, number>()
  const weigh = (file: string): number => {
    const known = weights.get(file)
    if (known !== undefined) return known
    const bytes = gzipSync(chunks.get(file)?.code ?? '').length
    weights.set(file, bytes)
    return bytes
  }
  const closure = (start: string, into = new Set<string>()): Set<string> => {
    if (into.has(start) || !chunks.has(start)) return into
    into.add(start)
    for (const next of chunks.get(start)?.imports ?? []) closure(next, into)
    return into
  }
  const pages: PageWeight[] = []
  for (const [file, chunk] of chunks) {
    if (!chunk.isEntry) continue
    const initial = closure(file)
    const lazy = [...initial].flatMap((name) => chunks.get(name)?.dynamicImports ?? [])
    const withLayout = new Set(initial)
    for (const name of lazy.filter((name) => layout.test(name))) closure(name, withLayout)
    for (const page of [file, ...new Set(lazy)]) {
      const needed = page === file ? initial : closure(page, new Set(withLayout))
      const gzipBytes = [...needed].reduce((sum, name) => sum + weigh(name), 0)
      pages.push({ page, gzipBytes })
    }
  }
  return pages.sort((a, b) => b.gzipBytes - a.gzipBytes)
}

/** Fails the build when any first page needs more JavaScript than the budget. */
export function bundleBudget(options: { gzipBytesMax: number; layout: RegExp }): Plugin {
  return {
    name: 'reef-bundle-budget',
    apply: 'build',
    generateBundle(_output, bundle) {
      const chunks = new Map<string, BundledChunk>()
      for (const [file, output] of Object.entries(bundle))
        if (output.type === 'chunk') chunks.set(file, output)
      const heaviest = weighPages(chunks, options.layout)[0]
      if (!heaviest) return
      const figure = `${(heaviest.gzipBytes / 1000).toFixed(1)} kB gzipped for ${heaviest.page}`
      if (heaviest.gzipBytes > options.gzipBytesMax)
        this.error(
          `Initial JavaScript is ${figure}, above ${options.gzipBytesMax / 1000} kB. Load more of it lazily.`,
        )
      this.info(`initial JavaScript at most ${figure}`)
    },
  }
}
