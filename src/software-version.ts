import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Reef's own version, as its package says. */
export async function readReefVersion(): Promise<string> {
  const text = await readFile(new URL('../package.json', import.meta.url), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}

/**
 * What new slots are made of, in one text: OpenClaw's version and a hash of the supervisor's sources, so that a slot
 * that booted with other software is retired, also while Reef itself is being worked on.
 */
export async function readSpecVersion(): Promise<string> {
  const openclaw = join(dirname(createRequire(import.meta.url).resolve('openclaw')), '..', 'package.json')
  const { version } = JSON.parse(await readFile(openclaw, 'utf8')) as { version: string }
  const directory = fileURLToPath(new URL('../supervisor', import.meta.url))
  const names = (await readdir(directory)).filter(
    (name) => name.endsWith('.ts') && !name.endsWith('.test.ts'),
  )
  const hash = createHash('sha256')
  for (const name of names.sort()) hash.update(name).update(await readFile(join(directory, name)))
  return `openclaw-${version} supervisor-${hash.digest('hex').slice(0, 8)}`
}
