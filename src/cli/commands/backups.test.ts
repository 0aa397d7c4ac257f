import { expect, test } from 'vitest'
import { formatBackups, formatPreview } from './backups.ts'

const now = new Date('2026-02-09T00:00:00Z')
const backup = {
  id: '0199c0de-0000-7000-8000-000000000001',
  instanceId: '0199c0de-0000-7000-8000-000000000002',
  kind: 'full',
  reason: 'before_restore',
  state: 'complete',
  storedBytes: 3 * 2 ** 20,
  contentBytes: 9 * 2 ** 20,
  fileCount: 20,
  conversationCount: 4,
  openclawVersion: '2026.9.6',
  locations: ['local', 'remote'],
  requestedAt: '2026-02-08T22:59:00.000Z',
  completedAt: '2026-02-08T23:00:00.000Z',
  verifiedAt: null,
  problem: null,
} as const

test('a list says what each backup is, how old, where, and whether it was ever proven', () => {
  const text = formatBackups([{ ...backup, locations: [...backup.locations] }], now)
  expect(text.split('\n')[1]).toBe(
    `${backup.id}  1 h ago  before restore  complete  3 MiB  4              local remote  never`,
  )
})

test('a problem stands beside the state', () => {
  const failed = { ...backup, locations: [], state: 'failed' as const, problem: 'The disk is full.' }
  expect(formatBackups([failed], now)).toContain('failed: The disk is full.')
})

test('a preview says what is given up and that it is kept', () => {
  const text = formatPreview(
    {
      backup: { ...backup, locations: [] },
      conversations: { now: 7, after: 4 },
      lost: { since: backup.completedAt, conversationsChanged: true, backupsInBetween: 2 },
      openclawVersion: { now: '2026.9.6', after: '2026.9.6' },
      contentBytes: { now: 1, after: 1 },
    },
    now,
  )
  expect(text).toContain('7 now, 4 after it')
  expect(text).toContain(`since ${backup.completedAt}`)
  expect(text).toContain('Kept')
  expect(text).not.toContain('OpenClaw ')
})
