import type { PreflightCheck } from '../../../domain/instances/compute.ts'
import { memoryChecks } from './checks.ts'
import { diskScript, freezeScript, hostScript, trimScript, usageScript } from './scripts.ts'

/** Runs a shell script as root of the host and answers with what it prints. Rejects when it ends with an error. */
export type RunOnHost = (script: string, options?: { signal?: AbortSignal }) => Promise<string>

export interface MemoryUse {
  residentBytes: number
  swappedBytes: number
}

/** What a host has, and what it can do about memory. */
export interface HostFacts {
  memoryTotalBytes: number
  memoryAvailableBytes: number
  swapTotalBytes: number
  swapFreeBytes: number
  /** Swap that is compressed memory. */
  zramTotalBytes: number
  /** Of the disk with the engine's volumes. */
  diskTotalBytes: number
  diskFreeBytes: number
  cpus: number
  cgroupVersion: 1 | 2
  /** Whether a container's memory can be reclaimed on demand: always on version 1, from Linux 5.19 on version 2. */
  reclaims: boolean
  /** Whether it is counted which container has how much in swap. */
  countsSwap: boolean
  /** Whether compressed memory has a disk behind it to move on to. */
  movesToDisk: boolean
  zswap: boolean
  knowsZram: boolean
}

/**
 * Moves the memory of containers of one host, by their full ids. Containers that are gone make it reject, except in
 * `use`, which leaves them out.
 */
export interface HostMemory {
  use(containerIds: readonly string[]): Promise<Map<string, MemoryUse>>
  /** Only of a paused container. With `disk`, what was moved to compressed memory long ago goes on to disk. */
  freeze(containerId: string, tier: 'memory' | 'disk'): Promise<MemoryUse>
  /** Cuts a freeze that is under way short: the container is needed. */
  thaw(containerId: string): void
  trim(containerId: string, toBytes: number): Promise<MemoryUse>
  facts(): Promise<HostFacts>
  /** Never throws. */
  preflight(): Promise<PreflightCheck[]>
}

/** Long enough not to take what another instance has just put there. */
const diskIdleSeconds = 3600

/** Where an engine keeps images and volumes unless it was told otherwise. */
const standardEngineDirectory = '/var/lib/docker'

export function createHostMemory(
  run: RunOnHost,
  engineDirectory: () => Promise<string> = () => Promise.resolve(standardEngineDirectory),
): HostMemory {
  const freezing = new Map<string, AbortController>()

  const facts: HostMemory['facts'] = async () => readFacts(await run(hostScript(await engineDirectory())))

  return {
    use: async (containerIds) => {
      if (containerIds.length === 0) return new Map()
      const lines = (await run(usageScript(containerIds))).trim().split('\n')
      const uses = new Map<string, MemoryUse>()
      for (const line of lines) {
        const [id, ...rest] = line.split(' ')
        if (id && rest.length === 2) uses.set(id, readUse(rest.join(' ')))
      }
      return uses
    },
    freeze: async (containerId, tier) => {
      const controller = new AbortController()
      freezing.set(containerId, controller)
      const { signal } = controller
      try {
        const use = readUse(await run(freezeScript(containerId), { signal }))
        if (tier === 'memory') return use
        return readUse(await run(diskScript(containerId, diskIdleSeconds), { signal }))
      } finally {
        if (freezing.get(containerId) === controller) freezing.delete(containerId)
      }
    },
    thaw: (containerId) => freezing.get(containerId)?.abort(),
    trim: async (containerId, toBytes) => readUse(await run(trimScript(containerId, toBytes))),
    facts,
    preflight: () =>
      facts().then(memoryChecks, (error: unknown) => [
        {
          name: 'memory',
          ok: false,
          detail: `The host's memory cannot be looked at: ${error instanceof Error ? error.message : String(error)}`,
        },
      ]),
  }
}

function readUse(text: string): MemoryUse {
  const [residentBytes, swappedBytes] = (text.trim().split('\n').at(-1) ?? '').split(' ').map(Number)
  if (residentBytes === undefined || !Number.isFinite(residentBytes))
    throw new Error(`not a container's memory: ${text}`)
  return { residentBytes: Math.max(0, residentBytes), swappedBytes: swappedBytes || 0 }
}

function readFacts(text: string): HostFacts {
  const values = new Map(text.split('\n').map((line) => line.split(' ') as [string, string]))
  const number = (name: string): number => Number(values.get(name) ?? 0)
  return {
    memoryTotalBytes: number('MemTotal'),
    memoryAvailableBytes: number('MemAvailable'),
    swapTotalBytes: number('SwapTotal'),
    swapFreeBytes: number('SwapFree'),
    zramTotalBytes: number('zram'),
    diskTotalBytes: number('diskTotal'),
    diskFreeBytes: number('diskFree'),
    cpus: number('cpus'),
    cgroupVersion: number('cgroup') === 1 ? 1 : 2,
    reclaims: number('reclaim') === 1,
    countsSwap: number('accounting') === 1,
    movesToDisk: number('writeback') === 1,
    zswap: number('zswap') === 1,
    knowsZram: number('zramKnown') === 1,
  }
}
