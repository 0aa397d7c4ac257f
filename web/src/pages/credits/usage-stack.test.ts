import { describe, expect, it } from 'vitest'
import type { Usage, UsageRow } from '../../api/types.ts'
import { stackUsage } from './usage-stack.ts'

const sums = {
  calls: 1,
  inputTokens: 10,
  cachedInputTokens: 0,
  cacheWriteInputTokens: 0,
  outputTokens: 2,
  reasoningTokens: 0,
  runningSeconds: 0,
  suspendedSeconds: 0,
  storedSeconds: 0,
  modelCostMicros: 0,
  runtimeCostMicros: 0,
  costMicros: 0,
}
const row = (day: string, model: string | null, costMicros: number): UsageRow => ({
  ...sums,
  day,
  model,
  instance: null,
  member: null,
  agentId: null,
  costMicros,
})
const usage = (rows: UsageRow[]): Usage => ({
  from: '2026-02-27T00:00:00.000Z',
  to: '2026-03-02T00:00:00.000Z',
  by: ['day', 'model'],
  rows,
  total: sums,
})

describe('stacked usage', () => {
  it('has every day, those on which nothing was used too', () => {
    const { days, series } = stackUsage(usage([row('2026-02-28', 'a', 5)]), 'model')
    expect(days).toEqual(['2026-02-27', '2026-02-28', '2026-03-01'])
    expect(series).toEqual([{ key: 'a', label: 'a', costMicros: [0, 5, 0] }])
  })

  it('puts the dearest first and calls what has no model running time', () => {
    const { groups } = stackUsage(
      usage([row('2026-02-27', 'a', 5), row('2026-02-28', null, 20), row('2026-03-01', 'a', 8)]),
      'model',
    )
    expect(groups.map(({ label, costMicros, calls }) => [label, costMicros, calls])).toEqual([
      ['Running time', 20, 1],
      ['a', 13, 2],
    ])
  })

  it('shows what cannot be told apart any more as one, and loses nothing of it', () => {
    const rows = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'].map((model, index) =>
      row('2026-02-27', model, 100 - index),
    )
    const { series, groups } = stackUsage(usage(rows), 'model')
    expect(series.map(({ label }) => label)).toEqual(['a', 'b', 'c', 'd', 'e', '3 others'])
    expect(groups).toHaveLength(8)
    const shown = series.reduce((sum, { costMicros }) => sum + (costMicros[0] ?? 0), 0)
    expect(shown).toBe(rows.reduce((sum, { costMicros }) => sum + costMicros, 0))
  })

  it('spares the word others for a single one', () => {
    const rows = ['a', 'b', 'c', 'd', 'e', 'f'].map((model) => row('2026-02-27', model, 1))
    expect(stackUsage(usage(rows), 'model').series.map(({ label }) => label)).toEqual([
      'a',
      'b',
      'c',
      'd',
      'e',
      'f',
    ])
  })
})
