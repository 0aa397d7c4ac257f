import type { Usage, UsageGrouping, UsageRow } from '../../api/types.ts'

export interface UsageGroup {
  key: string
  label: string
  costMicros: number
  calls: number
  inputTokens: number
  outputTokens: number
  seconds: number
}

export interface StackedUsage {
  /** `2026-11-21`, without gaps. */
  days: string[]
  /** The dearest first; the rest together as the last one. */
  series: { key: string; label: string; costMicros: number[] }[]
  /** All of them, the dearest first. */
  groups: UsageGroup[]
}

/** As many as can be told apart by colour; the rest is one more. */
const seriesMax = 5
const restKey = 'rest'
const dayMs = 86_400_000

/** Turns usage by day and one thing more into what a stacked chart shows and what a table lists. */
export function stackUsage(usage: Usage, by2: UsageGrouping): StackedUsage {
  const days = daysOf(usage)
  const groups = groupsOf(usage.rows, by2)
  const shown = groups.slice(0, groups.length > seriesMax + 1 ? seriesMax : seriesMax + 1)
  const place = new Map(shown.map(({ key }, index) => [key, index]))
  const series = shown.map(({ key, label }) => ({ key, label, costMicros: days.map(() => 0) }))
  if (shown.length < groups.length)
    series.push({
      key: restKey,
      label: `${groups.length - shown.length} others`,
      costMicros: days.map(() => 0),
    })
  for (const row of usage.rows) {
    const one = series[place.get(keyOf(row, by2).key) ?? series.length - 1]
    const day = row.day === null ? -1 : days.indexOf(row.day)
    if (one && day >= 0) one.costMicros[day] = (one.costMicros[day] ?? 0) + row.costMicros
  }
  return { days, series, groups }
}

function daysOf({ from, to }: Usage): string[] {
  const days: string[] = []
  for (let time = Date.parse(`${from.slice(0, 10)}T00:00:00Z`); time < Date.parse(to); time += dayMs)
    days.push(new Date(time).toISOString().slice(0, 10))
  return days
}

function groupsOf(rows: UsageRow[], by2: UsageGrouping): UsageGroup[] {
  const groups = new Map<string, UsageGroup>()
  for (const row of rows) {
    const { key, label } = keyOf(row, by2)
    const group = groups.get(key) ?? {
      key,
      label,
      costMicros: 0,
      calls: 0,
      inputTokens: 0,
      outputTokens: 0,
      seconds: 0,
    }
    group.costMicros += row.costMicros
    group.calls += row.calls
    group.inputTokens += row.inputTokens
    group.outputTokens += row.outputTokens
    group.seconds += row.runningSeconds
    groups.set(key, group)
  }
  return [...groups.values()].sort((a, b) => b.costMicros - a.costMicros)
}

function keyOf(row: UsageRow, by2: UsageGrouping): { key: string; label: string } {
  switch (by2) {
    case 'day':
      return { key: row.day ?? '', label: row.day ?? '' }
    case 'model':
      return { key: row.model ?? '', label: row.model ?? 'Running time' }
    case 'instance':
      return { key: row.instance?.id ?? '', label: row.instance?.name ?? 'A deleted instance' }
    case 'member':
      return { key: row.member?.id ?? '', label: row.member?.name ?? 'Somebody who has left' }
    case 'agent':
      return { key: row.agentId ?? '', label: row.agentId ? `Agent ${row.agentId}` : 'No agent' }
  }
}
