import { describe, expect, it } from 'vitest'
import { countServed, enterState, newMeter, type RuntimeMeter, runtimeStateOf } from './runtime-meter.ts'

const start = 1_700_000_000_000
const at = (seconds: number) => start + seconds * 1000
const counted = (seconds: number, run = 'one') => ({ run, ms: seconds * 1000 })
/** It has just begun to run on a slot whose supervisor had counted a hundred seconds in the pool. */
const running = enterState(newMeter(start), 'running', counted(100), start)
const report = (meter: RuntimeMeter, seconds: number, now: number, run?: string) =>
  countServed(meter, counted(seconds, run), at(now))

describe('the runtime meter', () => {
  it('counts what was served since the instance had the machine, not what the pool waited', () => {
    expect(report(running, 105, 5)).toMatchObject({ runningMs: 5_000, unprovenMs: 0 })
  })

  it('counts a report once, however often it comes, and none that is older', () => {
    const once = report(running, 105, 5)
    const again = report(report(once, 105, 6), 103, 7)
    expect(again.runningMs).toBe(5_000)
  })

  it('finds what lost reports would have said in the next one', () => {
    expect(report(running, 700, 600).runningMs).toBe(600_000)
  })

  it('charges no outage in which the machine had ended, and no time before it was heard of', () => {
    // Ten minutes by our record, of which the supervisor served one before it stopped itself.
    expect(report(running, 160, 600).runningMs).toBe(60_000)
  })

  it('believes no count that runs ahead of time', () => {
    expect(report(running, 10_000, 5).runningMs).toBe(5_000)
  })

  it('takes the last report of one that has ended, also when it comes with its next start', () => {
    const stopped = enterState(report(running, 105, 5), 'stored', null, at(8))
    expect(report(stopped, 108, 9)).toMatchObject({ runningMs: 8_000, storedMs: 1_000 })
    const started = enterState(stopped, null, counted(105), at(3_600))
    const later = report(started, 108, 3_601)
    expect(later).toMatchObject({ runningMs: 8_000, storedMs: 3_592_000 })
    expect(enterState(later, 'running', counted(108), at(3_620))).toMatchObject({
      state: 'running',
      runningMs: 8_000,
    })
  })

  it('measures sleep by our own record, without a gap or an overlap on either side', () => {
    const asleep = enterState(report(running, 105, 5), 'suspended', null, at(7))
    const awake = enterState(asleep, 'running', counted(105), at(107))
    // The two seconds before it slept come with the first report after.
    const after = report(awake, 110, 110)
    expect(after).toMatchObject({ suspendedMs: 100_000, runningMs: 10_000 })
  })

  it('begins anew with another machine, whatever that one had counted before', () => {
    const moved = enterState(
      enterState(report(running, 105, 5), 'stored', null, at(6)),
      null,
      counted(5_000, 'two'),
      at(7),
    )
    const serving = enterState(moved, 'running', counted(5_001, 'two'), at(9))
    expect(report(serving, 5_006, 14, 'two').runningMs).toBe(5_000 + 6_000)
  })

  it('believes a supervisor that does not count from one sign of life to the next, and no further', () => {
    const uncounted = enterState(newMeter(start), 'running', null, start)
    const once = countServed(uncounted, null, at(5))
    expect(once.runningMs).toBe(5_000)
    expect(countServed(once, null, at(605)).runningMs).toBe(20_000)
    expect(enterState(once, 'stored', null, at(8)).runningMs).toBe(8_000)
  })

  it('never goes backwards with the clock', () => {
    const once = report(running, 105, 5)
    const back = report(once, 106, -3_600)
    expect(back.meteredUntil).toBe(once.meteredUntil)
    expect(report(back, 110, 10).runningMs).toBe(10_000)
  })
})

describe('what time is charged as', () => {
  it.each([
    ['provisioning', 'starting', null, null],
    ['provisioning', 'running', 'running', null],
    ['running', 'running', null, 'running'],
    ['stopping', 'running', 'running', 'running'],
    ['stopping', 'starting', null, null],
    ['stopped', 'exited', 'running', 'stored'],
    ['stopped', null, 'running', 'stored'],
    ['suspended', 'suspended', 'running', 'suspended'],
    ['failed', 'running', 'running', null],
    ['deleting', 'running', 'running', 'running'],
    ['deleted', null, 'stored', 'ended'],
  ] as const)('%s on a machine that is %s, after %s: %s', (status, phase, before, expected) => {
    expect(runtimeStateOf(status, phase, before)).toBe(expected)
  })
})
