import { lstat, opendir, statfs } from 'node:fs/promises'
import { join, relative } from 'node:path'

export interface DirectoryUse {
  bytes: number
  /** By its path below the directory; undefined for an empty one. */
  largest: { path: string; bytes: number } | undefined
}

/** What a file of no length costs a disk: its place in a table of which there is no end of copies. */
const fileBytesMin = 4_096
/** Looked at together; more would only wait for the same disk. */
const batchMax = 64

/**
 * What everything below a directory takes up on its disk: sparse files by what is really written, hard-linked ones once.
 * Ends early once it is more than `enoughBytes`. What vanishes meanwhile counts nothing.
 */
export async function measureDirectory(
  directory: string,
  options: { exempt?: readonly string[]; enoughBytes?: number } = {},
): Promise<DirectoryUse> {
  const exempt = new Set(options.exempt?.map((name) => join(directory, name)))
  const enoughBytes = options.enoughBytes ?? Number.POSITIVE_INFINITY
  const use: DirectoryUse = { bytes: 0, largest: undefined }
  const linked = new Set<bigint>()
  const directories = [directory]

  const count = async (path: string): Promise<void> => {
    const stat = await lstat(path, { bigint: true }).catch(() => undefined)
    if (!stat) return
    if (stat.isDirectory()) directories.push(path)
    else if (stat.nlink > 1n && linked.has(stat.ino)) return
    else if (stat.nlink > 1n) linked.add(stat.ino)
    // Of 512 bytes each, whatever the file system's own blocks are; see stat(2).
    const bytes = Math.max(Number(stat.blocks) * 512, fileBytesMin)
    use.bytes += bytes
    if (stat.isFile() && bytes > (use.largest?.bytes ?? 0))
      use.largest = { path: relative(directory, path), bytes }
  }

  // Grows while it is walked; entries come in portions, since nobody knows how many there are.
  for (let next = directories.pop(); next !== undefined; next = directories.pop()) {
    let batch: Promise<void>[] = []
    const entries = await opendir(next, { bufferSize: batchMax }).catch(() => undefined)
    try {
      for await (const entry of entries ?? []) {
        const path = join(next, entry.name)
        if (exempt.has(path)) continue
        batch.push(count(path))
        if (batch.length < batchMax) continue
        await Promise.all(batch)
        batch = []
        if (use.bytes > enoughBytes) return use
      }
    } catch {
      // The directory went while it was read.
    }
    await Promise.all(batch)
    if (use.bytes > enoughBytes) return use
  }
  return use
}

/** Watches what a slot takes up on its host's disk, which nothing else limits. */
export interface DiskWatch {
  close(): void
}

export interface DiskWatchDependencies {
  directory: string
  /** Null while nobody has said, and where there is no limit. */
  readBytesMax(): number | null
  /** Names in the directory that the supervisor itself is at work in, and clears away when it is done. */
  readExempt(): readonly string[]
  /** Called once, with the reason in words. */
  onFull(message: string): void
  log(text: string): void
  /** Tests shorten it. */
  pollMs?: number
  /** How far above its limit it may still start. Tests lower it. */
  overshootBytesMax?: number
}

/** Between two looks at the free space of the host, which cost nothing. */
const standardPollMs = 1_000
/** Between two counts while the free space tells of nothing. */
const countEveryMs = 5_000
/** Counting may take this share of the time at most: a directory with very many files is counted less often. */
const countingShare = 0.05
/** The same while free space goes quickly, perhaps through this slot. */
const suspiciousShare = 0.25
/** So much less free space than at the last count is a reason to count again sooner. */
const suspiciousBytesMax = 256 * 1024 ** 2
/** What one that starts above its limit may still write: enough to boot and to remove something. */
const allowanceBytes = 128 * 1024 ** 2
/**
 * Further above its limit it does not start any more, or each start would take a little more. A fast disk takes some
 * gigabytes before a writer is seen.
 */
const overshootBytesMax = 16 * 1024 ** 3
const warnShare = 0.9

export function createDiskWatch(deps: DiskWatchDependencies): DiskWatch {
  const overshootMax = deps.overshootBytesMax ?? overshootBytesMax
  let closed = false
  let timer: NodeJS.Timeout | undefined
  let counted: { at: number; tookMs: number } | undefined
  let usedBytes = 0
  let freeAtCount = 0
  let warned = false
  /** Set by the first count, when there was more already than there may be. */
  let raisedBytes = 0

  async function look(): Promise<void> {
    const limitBytes = deps.readBytesMax()
    if (limitBytes === null) return
    const freeBytes = await freeBytesOf(deps.directory)
    const roomBytes = Math.max(limitBytes, raisedBytes) - usedBytes
    const suspicious = freeAtCount - freeBytes > Math.min(suspiciousBytesMax, Math.max(0, roomBytes) / 2)
    const startedAt = performance.now()
    const first = counted === undefined
    if (counted && startedAt < counted.at + pauseAfter(counted.tookMs, suspicious)) return
    const use = await measureDirectory(deps.directory, {
      exempt: deps.readExempt(),
      enoughBytes: limitBytes + overshootMax + allowanceBytes,
    })
    counted = { at: performance.now(), tookMs: performance.now() - startedAt }
    freeAtCount = freeBytes
    usedBytes = use.bytes
    if (closed) return
    if (first && usedBytes > limitBytes && usedBytes <= limitBytes + overshootMax)
      raisedBytes = usedBytes + allowanceBytes
    if (usedBytes <= limitBytes) raisedBytes = 0
    judge(use, limitBytes)
  }

  function judge(use: DirectoryUse, limitBytes: number): void {
    if (use.bytes > Math.max(limitBytes, raisedBytes)) {
      close()
      deps.onFull(fullMessage(use, limitBytes))
      return
    }
    const much = use.bytes > limitBytes * warnShare
    if (much && !warned)
      deps.log(
        `This instance takes up ${gigabytes(use.bytes)} of the ${gigabytes(limitBytes)} of disk that it may use.`,
      )
    warned = much
  }

  function close(): void {
    closed = true
    clearTimeout(timer)
  }

  async function watch(): Promise<void> {
    // Of a disk that cannot be asked nothing is known; the next look may be luckier.
    await look().catch(() => undefined)
    if (!closed) timer = setTimeout(() => void watch(), deps.pollMs ?? standardPollMs)
  }

  void watch()
  return { close }
}

function pauseAfter(tookMs: number, suspicious: boolean): number {
  return suspicious ? tookMs / suspiciousShare : Math.max(countEveryMs, tookMs / countingShare)
}

async function freeBytesOf(directory: string): Promise<number> {
  const { bavail, bsize } = await statfs(directory)
  return bavail * bsize
}

function fullMessage({ bytes, largest }: DirectoryUse, limitBytes: number): string {
  const stopped = `It takes up ${gigabytes(bytes)} of disk and may use ${gigabytes(limitBytes)}, so it was stopped.`
  const where = largest ? ` Its largest file: ${shown(largest.path)} (${gigabytes(largest.bytes)}).` : ''
  return stopped + where
}

const pathCharactersMax = 200

/** Whoever wrote the file has chosen its name. */
function shown(path: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is taken out
  return path.replace(/[\u0000-\u001f\u007f]/g, '?').slice(0, pathCharactersMax)
}

function gigabytes(bytes: number): string {
  return `${(bytes / 1024 ** 3).toFixed(1)} GB`
}
