import type { LogLine } from './protocol.ts'

/** A line longer than this is cut: a tool may print a whole file without a single newline. */
const lineCharactersMax = 8_000

/** Cuts a stream's chunks into lines; `flush` gives the last one that had no newline. */
export function createLineSplitter(onLine: (text: string) => void): {
  write(chunk: string): void
  flush(): void
} {
  let rest = ''
  const emit = (text: string) => {
    const line = text.endsWith('\r') ? text.slice(0, -1) : text
    if (line !== '') onLine(line.length > lineCharactersMax ? `${line.slice(0, lineCharactersMax)}…` : line)
  }
  return {
    write(chunk) {
      const lines = (rest + chunk).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) emit(line)
      if (rest.length > lineCharactersMax) {
        emit(rest)
        rest = ''
      }
    },
    flush() {
      emit(rest)
      rest = ''
    },
  }
}

export interface LogBuffer {
  add(source: LogLine['source'], text: string): void
  /** Up to `linesMax` of the oldest lines, at most about `charactersMax` together; they stay until `drop` is called. */
  peek(linesMax: number, charactersMax: number): LogLine[]
  drop(count: number): void
  readonly length: number
}

/**
 * Lines that wait for the link. It holds `linesMax`: when more come the oldest go, and the first line that is sent
 * afterwards says how many are missing.
 */
export function createLogBuffer(linesMax: number, now: () => Date = () => new Date()): LogBuffer {
  let lines: LogLine[] = []
  let dropped = 0
  return {
    add(source, text) {
      lines.push({ at: now().toISOString(), source, text })
      if (lines.length <= linesMax) return
      // In blocks, because shifting an array of thousands for each line would cost more than the logging itself.
      const excess = lines.length - linesMax + Math.floor(linesMax / 10)
      lines = lines.slice(excess)
      dropped += excess
    },
    peek(count, charactersMax) {
      if (dropped > 0) {
        const first = lines[0]
        const text = `${dropped} earlier lines were dropped while the control plane could not be reached.`
        lines.unshift({ at: first?.at ?? now().toISOString(), source: 'supervisor', text })
        dropped = 0
      }
      let characters = 0
      let taken = 0
      while (taken < Math.min(count, lines.length)) {
        characters += (lines[taken]?.text.length ?? 0) + 100
        if (taken > 0 && characters > charactersMax) break
        taken += 1
      }
      return lines.slice(0, taken)
    },
    drop(count) {
      lines = lines.slice(count)
    },
    get length() {
      return lines.length
    },
  }
}
