import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createServedClock, type Served } from './served-clock.ts'

let now = 0
let serving = true
let kept: Served[] = []
const open = (ms = 0) =>
  createServedClock({
    kept: { run: 'r', ms },
    isServing: () => serving,
    keep: (served) => kept.push(served),
    now: () => now,
  })
/** Lets the clock tick for so long, as a process that runs. */
const live = (seconds: number) => {
  for (let second = 0; second < seconds; second++) {
    now += 1_000
    vi.advanceTimersByTime(1_000)
  }
}

beforeEach(() => {
  vi.useFakeTimers()
  now = 0
  serving = true
  kept = []
})
afterEach(() => {
  vi.useRealTimers()
})

test('counts while OpenClaw serves, and goes on where an earlier process was', () => {
  const clock = open(60_000)
  live(10)
  serving = false
  live(10)
  serving = true
  live(10)
  const { run, ms } = clock.read()
  expect(run).toBe('r')
  // Up to a second at each change of state is the owner's.
  expect(ms).toBeGreaterThanOrEqual(60_000 + 18_000)
  expect(ms).toBeLessThanOrEqual(60_000 + 20_000)
  clock.close()
})

test('does not count a machine that stands still, though the clock goes on', () => {
  const clock = open()
  live(10)
  now += 3_600_000
  live(10)
  expect(clock.read().ms).toBeLessThanOrEqual(20_000)
  expect(clock.read().ms).toBeGreaterThanOrEqual(18_000)
  clock.close()
})

test('keeps the count every few seconds by itself, so that a kill loses no more', () => {
  const clock = open()
  live(60)
  expect(kept.length).toBeGreaterThanOrEqual(10)
  expect(60_000 - (kept.at(-1)?.ms ?? 0)).toBeLessThanOrEqual(5_000)
  clock.close()
})
