import type { LogLine } from '../../supervisor/protocol.ts'

/** The last log lines of each slot that is linked here, in memory: logs are for looking at, not for keeping. */
export interface LogBuffers {
  append(slotId: string, lines: LogLine[]): void
  tail(slotId: string, linesMax: number): LogLine[]
  subscribe(slotId: string, onLines: (lines: LogLine[]) => void): () => void
  /** Slots that have a buffer here. */
  slotIds(): string[]
  drop(slotId: string): void
}

const linesMaxDefault = 2_000
/** Per line; longer ones are cut. With the line limit this bounds a buffer. */
const textCharactersMax = 4_096

export function createLogBuffers(linesMax = linesMaxDefault): LogBuffers {
  const buffers = new Map<string, LogLine[]>()
  const subscribers = new Map<string, Set<(lines: LogLine[]) => void>>()
  return {
    append: (slotId, lines) => {
      const cut = lines.map(tidyLine)
      const buffer = buffers.get(slotId) ?? []
      buffer.push(...cut)
      // Trimmed by halves, so that a busy slot does not move the whole array with every line.
      if (buffer.length > linesMax * 1.5) buffer.splice(0, buffer.length - linesMax)
      buffers.set(slotId, buffer)
      for (const subscriber of subscribers.get(slotId) ?? []) subscriber(cut)
    },
    tail: (slotId, count) => (count > 0 ? (buffers.get(slotId) ?? []).slice(-Math.min(count, linesMax)) : []),
    subscribe: (slotId, onLines) => {
      const set = subscribers.get(slotId) ?? new Set()
      subscribers.set(slotId, set.add(onLines))
      return () => {
        set.delete(onLines)
        if (set.size === 0) subscribers.delete(slotId)
      }
    },
    slotIds: () => [...buffers.keys()],
    drop: (slotId) => {
      buffers.delete(slotId)
    },
  }
}

/** What a supervisor sends is the tenant's: it may be long, and its time need not be one. */
function tidyLine({ at, source, text }: LogLine): LogLine {
  const time = new Date(at)
  return {
    at: (Number.isNaN(time.getTime()) ? new Date() : time).toISOString(),
    source,
    text: text.length > textCharactersMax ? `${text.slice(0, textCharactersMax)} [cut]` : text,
  }
}
