import fc from 'fast-check'
import { expect, test } from 'vitest'
import { nextBackupAt } from './schedule.ts'

const daily = { minuteOfDay: 180, jitterMinutes: 60 }
const dayMs = 86_400_000

test('every instance is backed up once in each of 400 days, also when clocks change and in a leap year', () => {
  for (const instanceId of ['ada', 'grace', 'edsger']) {
    // 2028 is a leap year; both changes of summer time of either half of the world lie in these days.
    let now = new Date('2027-12-30T12:00:00Z')
    const days = new Set<string>()
    for (let run = 0; run < 400; run++) {
      const next = nextBackupAt(now, instanceId, daily)
      const minutes = next.getUTCHours() * 60 + next.getUTCMinutes()
      expect(minutes).toBeGreaterThanOrEqual(180)
      expect(minutes).toBeLessThan(240)
      days.add(next.toISOString().slice(0, 10))
      now = next
    }
    expect(days.size).toBe(400)
    expect(days).toContain('2028-02-29')
  }
})

test('the next time is always ahead, and less than a day and an instance’s own spread away', () => {
  fc.assert(
    fc.property(
      fc.date({ min: new Date('2020-01-01'), max: new Date('2040-01-01'), noInvalidDate: true }),
      fc.uuid(),
      fc.integer({ min: 0, max: 1439 }),
      fc.integer({ min: 0, max: 720 }),
      (now, instanceId, minuteOfDay, jitterMinutes) => {
        const next = nextBackupAt(now, instanceId, { minuteOfDay, jitterMinutes })
        expect(next.getTime()).toBeGreaterThan(now.getTime())
        expect(next.getTime() - now.getTime()).toBeLessThanOrEqual(dayMs)
        expect(nextBackupAt(next, instanceId, { minuteOfDay, jitterMinutes }).getTime()).toBe(
          next.getTime() + dayMs,
        )
      },
    ),
  )
})

test('instances are spread over the minutes that are given', () => {
  const now = new Date('2026-11-21T00:00:00Z')
  const minutes = Array.from({ length: 600 }, (_, index) => {
    const next = nextBackupAt(now, `instance ${index}`, daily)
    return next.getUTCHours() * 60 + next.getUTCMinutes()
  })
  expect(new Set(minutes).size).toBe(60)
})
