import { readdir, readFile } from 'node:fs/promises'

/** A process and everything that it started, directly or not. Linux only. */
async function descendantsOf(pid: number): Promise<number[]> {
  const children = new Map<number, number[]>()
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue
    const stat = await readFile(`/proc/${name}/stat`, 'utf8').catch(() => '')
    // The name, in parentheses, may hold spaces; the parent is the second field after it.
    const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])
    children.set(parent, [...(children.get(parent) ?? []), Number(name)])
  }
  const found: number[] = []
  for (let next = [pid]; next.length > 0; next = next.flatMap((each) => children.get(each) ?? []))
    found.push(...next)
  return found
}

/**
 * Proportional set size in bytes: private memory in full and shared pages in equal parts, so that the sum over all
 * processes is what the machine really holds. Processes that end meanwhile count nothing.
 */
export async function treeBytes(pid: number): Promise<number> {
  let bytes = 0
  for (const each of await descendantsOf(pid)) bytes += await processBytes(each)
  return bytes
}

/** The same of one process alone. */
export async function processBytes(pid: number): Promise<number> {
  const rollup = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8').catch(() => '')
  return Number(/^Pss:\s+(\d+)/m.exec(rollup)?.[1] ?? 0) * 1024
}
