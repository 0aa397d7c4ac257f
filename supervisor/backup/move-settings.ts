import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/**
 * Settings of OpenClaw that name paths below the old slot's directory name the same below the new one. On machines that
 * give every slot the same directory there is nothing to do.
 */
export async function moveSettings(tree: string, from: string, to: string): Promise<void> {
  if (from === to) return
  const path = join(tree, 'openclaw.json')
  const text = await readFile(path, 'utf8').catch(() => undefined)
  if (text === undefined) return
  const moved = moveIn(JSON.parse(text), from, to)
  await writeFile(path, `${JSON.stringify(moved, null, 2)}\n`, { mode: 0o600 })
}

function moveIn(value: unknown, from: string, to: string): unknown {
  if (typeof value === 'string')
    return value === from || value.startsWith(`${from}/`) ? to + value.slice(from.length) : value
  if (Array.isArray(value)) return value.map((item) => moveIn(item, from, to))
  if (typeof value === 'object' && value !== null)
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, moveIn(item, from, to)]))
  return value
}
