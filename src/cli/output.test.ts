import { expect, test } from 'vitest'
import { formatInstance } from './commands/instance.ts'
import { formatKeys } from './commands/keys.ts'
import { formatLogLine } from './commands/logs.ts'
import type { Instance } from './context.ts'
import { formatAge, formatBytes, formatTable } from './output.ts'

const now = new Date('2026-03-01T12:00:00.000Z')

const instance: Instance = {
  id: '0199c0de-0000-7000-8000-000000000000',
  name: 'Workshop',
  slug: 'ada-1',
  status: 'failed',
  desiredState: 'running',
  reason: { code: 'crashed', message: 'It stopped by itself 5 times in a row.' },
  sleep: null,
  upgrade: null,
  steps: [],
  actions: ['start', 'restart', 'delete'],
  driver: 'process',
  plan: 'free',
  isolation: 'none',
  url: 'http://ada-1.localhost:7301',
  openclawVersion: '2026.9.6',
  memoryBytes: 1.25 * 2 ** 30,
  cpuPercent: null,
  sessionId: null,
  runningSince: null,
  createdAt: now.toISOString(),
}

test('the status says why, what isolates it, and what can be done', () => {
  expect(formatInstance(instance, now).split('\n')).toEqual([
    'Instance  Workshop (ada-1)',
    'Status    failed: It stopped by itself 5 times in a row.',
    'Address   http://ada-1.localhost:7301',
    'Driver    process (isolates nothing)',
    'OpenClaw  2026.9.6',
    'Memory    1.3 GiB',
    'You can   start, restart, delete',
  ])
})

test('a key that was never used and never expires says so', () => {
  const key = {
    id: instance.id,
    name: 'ci',
    hint: 'oc_abc…wxyz',
    scopes: ['chat' as const, 'instances:read' as const],
    createdAt: now.toISOString(),
    expiresAt: null,
    lastUsedAt: null,
    createdBy: instance.id,
  }
  expect(formatKeys([key, { ...key, name: 'laptop', lastUsedAt: '2026-03-01T11:58:00.000Z' }], now)).toBe(
    [
      'NAME    KEY          SCOPES               LAST USED  EXPIRES',
      'ci      oc_abc…wxyz  chat instances:read  never      never',
      'laptop  oc_abc…wxyz  chat instances:read  2 min ago  never',
    ].join('\n'),
  )
})

test('log lines show the reader’s own time of day and who wrote them', () => {
  const line = { at: '2026-03-01T12:00:00.000Z', source: 'supervisor' as const, text: 'OpenClaw is ready.' }
  // The tests run in Kathmandu, 5:45 ahead of UTC.
  expect(formatLogLine(line)).toContain('17:45:00')
  expect(formatLogLine(line)).toContain('supervisor: OpenClaw is ready.')
})

test('columns fit their widest cell and lines end without spaces', () => {
  expect(
    formatTable(
      ['a', 'b'],
      [
        ['longer', ''],
        ['x', 'y'],
      ],
    ),
  ).toBe('A       B\nlonger\nx       y')
})

test.each([
  ['2026-03-01T11:59:30.000Z', '30 s ago'],
  ['2026-03-01T10:30:00.000Z', '1 h ago'],
  ['2026-02-27T12:00:00.000Z', '2 d ago'],
  ['2026-03-01T12:00:05.000Z', '0 s ago'],
])('an age is told in its largest unit, and a clock that is ahead does no harm: %s', (since, text) => {
  expect(formatAge(since, now)).toBe(text)
})

test('memory is told in the unit that people know it in', () => {
  expect([formatBytes(300 * 2 ** 20), formatBytes(2 * 2 ** 30)]).toEqual(['300 MiB', '2.0 GiB'])
})
