import { descendants, listProcesses } from './process-table.ts'

/** Measures OpenClaw with everything it started; `cpuPercent` is of one core since the last call. */
export function createUsageMeter(): (
  pid: number | null,
) => Promise<{ memoryBytes: number; cpuPercent: number }> {
  let lastAt = performance.now()
  let last = new Map<string, number>()
  return async (pid) => {
    const rows = pid === null ? [] : descendants(await listProcesses(), pid)
    const now = performance.now()
    const current = new Map(rows.map((row) => [`${row.pid} ${row.startTime}`, row.cpuSeconds]))
    let cpuSeconds = 0
    for (const [process, seconds] of current) cpuSeconds += seconds - (last.get(process) ?? 0)
    const elapsedSeconds = Math.max(0.001, (now - lastAt) / 1000)
    last = current
    lastAt = now
    return {
      memoryBytes: rows.reduce((sum, row) => sum + row.residentBytes, 0),
      cpuPercent: Math.round((cpuSeconds / elapsedSeconds) * 1000) / 10,
    }
  }
}
