import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** Swap that a figure needs, made for it and taken away again. */
export interface Swap {
  label: string
  /** RAM that what is swapped out takes, in bytes. */
  ramBytes(): Promise<number>
  /** Brings what is swapped out back into RAM first, so there must be room. */
  remove(): Promise<void>
}

/** Why no swap can be made here; undefined when it can. */
export async function swapProblem(): Promise<string | undefined> {
  if (process.platform !== 'linux' || process.getuid?.() !== 0)
    return 'making swap for the figure needs Linux and root'
  const lines = (await readFile('/proc/swaps', 'utf8')).trim().split('\n')
  return lines.length > 1 ? 'this machine has swap already, which would mix with the figure’s' : undefined
}

/** lz4 where the kernel has it: what counts is how fast it comes back. */
export async function makeCompressedSwap(bytes: number): Promise<Swap> {
  const device = '/sys/block/zram0'
  await writeFile(`${device}/comp_algorithm`, 'lz4').catch(() => undefined)
  await writeFile(`${device}/disksize`, String(bytes))
  await run('mkswap', ['/dev/zram0'])
  await run('swapon', ['--priority', '100', '/dev/zram0'])
  return {
    label: 'in compressed memory',
    // Fields: original size, compressed size, RAM taken with everything around it, ...
    ramBytes: async () => Number((await readFile(`${device}/mm_stat`, 'utf8')).trim().split(/\s+/)[2]),
    remove: async () => {
      await run('swapoff', ['/dev/zram0'])
      await writeFile(`${device}/reset`, '1')
    },
  }
}

export async function makeSwapFile(bytes: number): Promise<Swap> {
  const directory = await mkdtemp(join(tmpdir(), 'reef-bench-swap-'))
  const path = join(directory, 'swap')
  await run('fallocate', ['--length', String(bytes), path])
  await run('chmod', ['600', path])
  await run('mkswap', [path])
  await run('swapon', [path])
  return {
    label: 'on disk',
    ramBytes: async () => 0,
    remove: async () => {
      await run('swapoff', [path])
      await rm(directory, { recursive: true })
    },
  }
}
