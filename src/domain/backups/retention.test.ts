import fc from 'fast-check'
import { expect, test } from 'vitest'
import { decideRetention, type KeptBackup, type RetentionPolicy } from './retention.ts'

const policy: RetentionPolicy = {
  localDays: 7,
  remoteDays: 30,
  hasRemote: true,
  checkpoints: 2,
  keepLast: true,
}
const dayMs = 86_400_000

function full(id: string, completedAt: Date, given: Partial<KeptBackup> = {}): KeptBackup {
  const standard = {
    kind: 'full',
    baseBackupId: null,
    local: true,
    remote: true,
    broken: false,
    missedAt: null,
  } as const
  return { id, completedAt, ...standard, ...given }
}

function apply(backups: KeptBackup[], now: Date, given = policy): KeptBackup[] {
  const { dropLocal, dropRemote } = decideRetention(backups, now, given)
  return backups
    .map((backup) => ({
      ...backup,
      local: backup.local && !dropLocal.includes(backup.id),
      remote: backup.remote && !dropRemote.includes(backup.id),
    }))
    .filter((backup) => backup.local || backup.remote)
}

const days = (backups: KeptBackup[]) => backups.map((backup) => backup.completedAt.toISOString().slice(0, 10))

test('over 400 days with a leap day there are always 7 days here and 30 days in the remote store', () => {
  let backups: KeptBackup[] = []
  const start = Date.parse('2027-12-01T03:17:00Z')
  for (let day = 0; day < 400; day++) {
    const now = new Date(start + day * dayMs)
    backups = apply([...backups, full(`day ${day}`, now)], new Date(now.getTime() + 60_000))
    const expected = (count: number) =>
      Array.from({ length: Math.min(day + 1, count) }, (_, back) =>
        new Date(now.getTime() - back * dayMs).toISOString().slice(0, 10),
      ).sort()
    expect(days(backups.filter((backup) => backup.local)).sort()).toEqual(expected(7))
    expect(days(backups.filter((backup) => backup.remote)).sort()).toEqual(expected(30))
  }
})

test('an instance that sleeps for 400 days keeps its last backup in both places', () => {
  const last = full('last', new Date('2026-01-01T03:00:00Z'))
  let backups = [full('older', new Date('2025-12-31T03:00:00Z')), last]
  for (let day = 0; day < 400; day++)
    backups = apply(backups, new Date(last.completedAt.getTime() + day * dayMs))
  expect(backups).toEqual([last])
})

test('of a deleted instance nothing is left after the last day that it had to be kept', () => {
  const last = full('last', new Date('2026-01-01T03:00:00Z'))
  const deleted = { ...policy, keepLast: false }
  expect(apply([last], new Date('2026-01-30T00:00:00Z'), deleted)).toHaveLength(1)
  expect(apply([last], new Date('2026-02-01T00:00:00Z'), deleted)).toEqual([])
})

test('a backup that a drill could not restore does not count as the last good one', () => {
  const good = full('good', new Date('2026-01-01T03:00:00Z'))
  const broken = full('broken', new Date('2026-01-02T03:00:00Z'), { broken: true })
  expect(apply([good, broken], new Date('2026-12-01T00:00:00Z'))).toEqual([good])
})

test('what the remote store has not got yet stays here, however old it is', () => {
  const waiting = full('waiting', new Date('2026-01-01T03:00:00Z'), { remote: false })
  const newer = full('newer', new Date('2026-02-01T03:00:00Z'))
  expect(apply([waiting, newer], new Date('2026-02-02T00:00:00Z'))).toEqual([waiting, newer])
})

test('without a remote store what is here stays as long as the remote copy would', () => {
  const alone = { ...policy, hasRemote: false }
  const backups = [1, 10, 29, 31, 40].map((age) =>
    full(`${age} days`, new Date(Date.parse('2026-06-01T00:00:00Z') - age * dayMs), { remote: false }),
  )
  const kept = apply(backups, new Date('2026-06-01T00:00:00Z'), alone)
  expect(kept.map((backup) => backup.id)).toEqual(['1 days', '10 days', '29 days'])
})

test('checkpoints replace each other, and the newest keep the backup that they add to', () => {
  const base = full('base', new Date('2026-01-01T03:00:00Z'))
  const later = full('later', new Date('2026-03-01T03:00:00Z'))
  const checkpoints = [1, 2, 3].map((day) =>
    full(`checkpoint ${day}`, new Date(Date.UTC(2026, 2, 1 + day)), {
      kind: 'checkpoint',
      baseBackupId: day === 3 ? 'base' : 'later',
    }),
  )
  const kept = apply([base, later, ...checkpoints], new Date('2026-03-05T00:00:00Z'))
  expect(kept.map((backup) => backup.id)).toEqual(['base', 'later', 'checkpoint 2', 'checkpoint 3'])
})

test('a checkpoint that a restore could not get stays with what it adds to, for as long after that as copies stay', () => {
  const day = (date: number) => new Date(Date.UTC(2026, 0, date))
  const checkpoint = (date: number, given: Partial<KeptBackup> = {}) =>
    full(`checkpoint ${date}`, day(date), { kind: 'checkpoint', ...given })
  const backups = [
    full('base', day(1)),
    checkpoint(2, { baseBackupId: 'base', missedAt: day(100) }),
    ...[101, 102, 103].map((date) => checkpoint(date)),
    full('later', day(103)),
  ]
  const ids = (now: Date, given = policy) => apply(backups, now, given).map((backup) => backup.id)
  const replaced = ['checkpoint 102', 'checkpoint 103', 'later']
  expect(ids(day(104))).toEqual(['base', 'checkpoint 2', ...replaced])
  expect(ids(day(104), { ...policy, keepLast: false })).toEqual(['base', 'checkpoint 2', ...replaced])
  expect(ids(day(131))).toEqual(replaced)
})

test('whatever there is, the newest good backup and what it adds to are never dropped anywhere', () => {
  const backup = fc.record({
    kind: fc.constantFrom('full' as const, 'checkpoint' as const),
    ageDays: fc.integer({ min: 0, max: 100 }),
    local: fc.boolean(),
    remote: fc.boolean(),
    broken: fc.boolean(),
    base: fc.nat(20),
  })
  const now = new Date('2026-11-21T00:00:00Z')
  fc.assert(
    fc.property(fc.array(backup, { minLength: 1, maxLength: 20 }), fc.boolean(), (given, hasRemote) => {
      const backups = given.map((one, index) =>
        full(String(index), new Date(now.getTime() - one.ageDays * dayMs - index), {
          kind: one.kind,
          local: one.local,
          remote: one.remote,
          broken: one.broken,
          baseBackupId: one.kind === 'checkpoint' ? String(one.base % given.length) : null,
        }),
      )
      const { dropLocal, dropRemote } = decideRetention(backups, now, { ...policy, hasRemote })
      const newest = [...backups]
        .filter((one) => !one.broken)
        .sort((a, b) => b.completedAt.getTime() - a.completedAt.getTime())[0]
      for (const id of [newest?.id, newest?.baseBackupId])
        expect([...dropLocal, ...dropRemote]).not.toContain(id ?? 'none')
    }),
  )
})
