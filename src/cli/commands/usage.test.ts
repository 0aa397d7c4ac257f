import { expect, it } from 'vitest'
import { formatUsage } from './usage.ts'

const sums = {
  calls: 3,
  inputTokens: 1_200,
  cachedInputTokens: 200,
  cacheWriteInputTokens: 0,
  outputTokens: 90,
  reasoningTokens: 0,
  runningSeconds: 3_725.4,
  suspendedSeconds: 59,
  storedSeconds: 1,
  modelCostMicros: 1_500_000,
  runtimeCostMicros: 250_000,
  costMicros: 1_750_000,
}
const nothing = { day: null, model: null, instance: null, member: null, agentId: null }
const id = '0199c0de-0000-7000-8000-000000000000'

it('shows each group in words, what is no longer there by its id, and the total', () => {
  const text = formatUsage({
    from: '2026-11-01T00:00:00.000Z',
    to: '2026-12-01T00:00:00.000Z',
    by: ['model', 'instance'],
    rows: [
      { ...nothing, ...sums, model: 'demo/reef-demo', instance: { id, name: 'Ada' } },
      { ...nothing, ...sums, instance: { id, name: null } },
    ],
    total: { ...sums, calls: 6 },
  })
  const lines = text.split('\n').map((line) => line.split(/\s{2,}/))
  expect(lines[0]?.slice(0, 3)).toEqual(['MODEL', 'INSTANCE', 'CALLS'])
  expect(lines[1]).toEqual([
    'demo/reef-demo',
    'Ada',
    '3',
    '1200',
    '200',
    '90',
    '01:02:05',
    '00:01:00',
    '1.75',
  ])
  expect(lines[2]?.slice(0, 2)).toEqual(['(runtime)', id])
  expect(lines[3]?.slice(0, 2)).toEqual(['total', '6'])
})
