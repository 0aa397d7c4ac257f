import { join } from 'node:path'
import { writeArchive } from '../../supervisor/backup/archive.ts'
import { createControlClient } from '../../supervisor/backup/control-client.ts'
import { extractArchive } from '../../supervisor/backup/extract.ts'
import type { Manifest } from '../../supervisor/backup/manifest.ts'
import { findStateChanges } from '../../supervisor/backup/state-source.ts'

/** `write DIRECTORY ORIGIN RECIPIENT` or `read FILE DIRECTORY IDENTITY SUMS`: prints JSON with time and greatest memory. */
const [action, from, to, key, sums] = process.argv.slice(2) as [string, string, string, string, string]
// A supervisor has talked with its control plane long before.
if (action === 'write') await fetch(`${to}/content?offset=0`, { method: 'PUT', body: '' })
globalThis.gc?.()
const before = process.memoryUsage().rss
const startedAt = performance.now()
let result: unknown
if (action === 'write') {
  const { entries } = await findStateChanges(
    { slotDirectory: from, configPath: 'openclaw.json' },
    {},
    join(from, 'scratch'),
  )
  const header = { format: 1 as const, slotDirectory: from, removed: [] }
  // As a supervisor delivers it.
  const control = createControlClient(() => ({ origin: to, slot: { baseUrl: '', apiKey: 'none' } }))
  result = await writeArchive(header, entries, key, (stored) => control.deliver('/content', stored))
} else await extractArchive(from, to, key, JSON.parse(sums) as Manifest)
const seconds = (performance.now() - startedAt) / 1000
// In kilobytes on Linux and macOS alike, as Node documents it.
const grownBytes = process.resourceUsage().maxRSS * 1024 - before
console.log(JSON.stringify({ seconds, grownBytes, result }))
