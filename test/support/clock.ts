import type { Clock } from '../../src/clock.ts'

export interface TestClock extends Clock {
  advance(milliseconds: number): void
}

/** Starts at the present, because the database's own defaults do, and moves only when told to. */
export function createTestClock(): TestClock {
  let now = Date.now()
  return {
    now: () => new Date(now),
    advance: (milliseconds) => {
      now += milliseconds
    },
  }
}
