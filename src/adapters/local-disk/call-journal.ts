import { closeSync, ftruncateSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs'
import type { SettledCall } from '../../domain/usage/call-store.ts'
import type { CallJournal, JournalLeft } from '../../domain/usage/journal.ts'

export interface CallJournalOptions {
  file: string
  /** A disk that is full or gone stops no call; what it should have remembered is then lost with the process. */
  onError(error: unknown): void
  /** Rewritten without what is closed when it has grown by this much. */
  bytesMax?: number
}

type Line = { open: string } | { ended: SettledCall } | { closed: string }

/**
 * One JSON object per line, appended; each begins a line of its own, whatever a full disk has left of the one before it. Not
 * flushed to the disk: the kernel keeps what a killed process has written.
 */
export function openCallJournal(options: CallJournalOptions): CallJournal {
  const { file, onError } = options
  const bytesMax = options.bytesMax ?? 8 * 1024 * 1024
  const known = readLines(file)
  const left: JournalLeft = {
    ended: [...known.values()].filter((value) => value !== null),
    open: [...known].filter(([, value]) => value === null).map(([id]) => id),
  }
  let descriptor = openSync(file, 'a', 0o600)
  let bytes = 0

  const write = (line: Line): void => {
    try {
      const text = `\n${JSON.stringify(line)}\n`
      writeSync(descriptor, text)
      bytes += text.length
      if (known.size === 0 && bytes > 65_536) empty()
      else if (bytes > bytesMax) rewrite()
    } catch (error) {
      onError(error)
    }
  }

  const empty = (): void => {
    ftruncateSync(descriptor, 0)
    bytes = 0
  }

  const rewrite = (): void => {
    const temporary = `${file}.new`
    const next = openSync(temporary, 'w', 0o600)
    for (const [id, value] of known)
      writeSync(next, `${JSON.stringify(value === null ? { open: id } : { ended: value })}\n`)
    closeSync(next)
    renameSync(temporary, file)
    closeSync(descriptor)
    descriptor = openSync(file, 'a', 0o600)
    bytes = 0
  }

  return {
    left,
    opened: (callId) => {
      known.set(callId, null)
      write({ open: callId })
    },
    ended: (settled) => {
      known.set(settled.call.id, settled)
      write({ ended: settled })
    },
    closed: (callId) => {
      if (!known.delete(callId)) return
      write({ closed: callId })
    },
    close: () => closeSync(descriptor),
  }
}

/** By id: the settlement, or null for a call without one. The last line may be torn. */
function readLines(file: string): Map<string, SettledCall | null> {
  const known = new Map<string, SettledCall | null>()
  for (const text of readText(file).split('\n')) {
    const line = parse(text)
    if (line === undefined) continue
    if ('open' in line) known.set(line.open, null)
    else if ('ended' in line) known.set(line.ended.call.id, revive(line.ended))
    else known.delete(line.closed)
  }
  return known
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return ''
    throw error
  }
}

function parse(text: string): Line | undefined {
  try {
    return JSON.parse(text) as Line
  } catch {
    return undefined
  }
}

/** JSON has no times. */
function revive(settled: SettledCall): SettledCall {
  const { end } = settled
  return {
    ...settled,
    end: {
      ...end,
      firstByteAt: end.firstByteAt && new Date(end.firstByteAt),
      finishedAt: new Date(end.finishedAt),
    },
  }
}
