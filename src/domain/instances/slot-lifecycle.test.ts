import { describe, expect, it } from 'vitest'
import { newSlot, running, start } from './lifecycle-fixtures.ts'
import { addSeconds, lifecycleLimits as limits } from './limits.ts'
import {
  afterEnsure,
  afterError,
  afterObserve,
  afterStop,
  beforeEnsure,
  decideSlot,
  needsBootstrap,
  type SlotFacts,
} from './slot-lifecycle.ts'

describe('decideSlot', () => {
  it('repeats a call whose reply was lost instead of making a second machine', () => {
    expect(decideSlot({ ...newSlot, phase: 'starting' }, start, limits)).toEqual({
      kind: 'ensure_machine',
      boot: 'repeated',
    })
  })

  it('looks for a machine that may exist before believing that there is nothing to stop or remove', () => {
    for (const wanted of ['stopped', 'removed'] as const)
      expect(decideSlot({ ...newSlot, wanted, phase: 'starting' }, start, limits).kind).toBe('find_machine')
  })

  it('fails a machine that runs but does not become ready in time, and then stops it', () => {
    const mute = { ...running, ready: false, not_ready_since: start }
    const late = addSeconds(start, limits.neverReadySeconds)
    expect(decideSlot(mute, addSeconds(late, -1), limits).kind).toBe('observe')
    const decision = decideSlot(mute, late, limits)
    expect(decision).toMatchObject({ kind: 'change', patch: { failure_code: 'never_ready' } })
    expect(decideSlot({ ...mute, failure_code: 'never_ready' }, late, limits).kind).toBe('stop_machine')
  })

  it('gives a restore all the time that it takes, and after it as long as after any start', () => {
    const booted = { ...running, ready: false, not_ready_since: start, restore_open: true }
    const late = addSeconds(start, limits.neverReadySeconds)
    const restoring: SlotFacts = { ...booted, heartbeat_at: start }
    expect(decideSlot(restoring, late, limits).kind).toBe('observe')
    const hours = addSeconds(start, 5 * 3_600)
    expect(decideSlot(restoring, hours, limits).kind).toBe('observe')
    const over = { ...restoring, ...afterObserve(restoring, { phase: 'running' }, hours, limits) }
    const idle = { ...over, restore_open: false, observed_at: start }
    expect(decideSlot(idle, addSeconds(hours, limits.neverReadySeconds - 1), limits).kind).toBe('observe')
    expect(decideSlot(idle, addSeconds(hours, limits.neverReadySeconds), limits)).toMatchObject({
      patch: { failure_code: 'never_ready' },
    })
    // Such a supervisor cannot be restoring: it was never told to, or it was before it was started again.
    for (const heartbeat_at of [null, addSeconds(start, -1)])
      expect(decideSlot({ ...booted, heartbeat_at }, late, limits)).toMatchObject({
        patch: { failure_code: 'never_ready' },
      })
  })

  it('stops the machine of one whose disk is full, so that nothing in it writes on, and starts it for nobody but its owner', () => {
    const full = { ...running, ready: false, failure_code: 'disk_full' }
    expect(decideSlot(full, start, limits).kind).toBe('stop_machine')
    const stopped = { ...full, ...afterStop(start) }
    expect(decideSlot(stopped, addSeconds(start, 1e6), limits)).toEqual({ kind: 'wait', until: null })
    expect(decideSlot({ ...stopped, failure_code: null }, start, limits).kind).toBe('ensure_machine')
  })

  it('backs off after crashes, calls the fifth in a row a crash loop, and forgives those of long ago', () => {
    let slot: SlotFacts = running
    const pauses: number[] = []
    let now = addSeconds(start, 10)
    for (let crash = 1; crash <= limits.crashesMax; crash++) {
      slot = { ...slot, ...afterObserve(slot, { phase: 'exited' }, now, limits) }
      pauses.push(((slot.retry_at as Date).getTime() - now.getTime()) / 1000)
      now = slot.retry_at as Date
      if (crash < limits.crashesMax) {
        expect(decideSlot(slot, now, limits).kind).toBe('ensure_machine')
        slot = { ...slot, ...beforeEnsure(slot, 'fresh', now) }
        slot = { ...slot, ...afterEnsure(slot, { id: 1 }, now), phase: 'running' }
      }
    }
    expect(pauses).toEqual([1, 2, 4, 8, 16])
    expect(decideSlot(slot, now, limits)).toMatchObject({
      kind: 'change',
      patch: { failure_code: 'crashed', failure_message: 'It stopped by itself 5 times in a row.' },
    })
    const steady = { ...slot, phase: 'running' as const, started_at: start }
    const later = addSeconds(start, limits.crashWindowSeconds)
    expect(afterObserve(steady, { phase: 'exited' }, later, limits).attempts).toBe(1)
  })

  it('does not repeat what can never work', () => {
    for (const code of ['bad_image', 'configuration_invalid'] as const) {
      const seen = { phase: 'exited', failure: { code, message: 'no' } } as const
      expect(afterObserve(running, seen, start, limits)).toMatchObject({ failure_code: code })
    }
    const rejected = { retryable: false, reason: 'rejected', message: 'no such plan' } as const
    expect(afterError(newSlot, rejected, start, limits)).toMatchObject({ failure_code: 'rejected' })
  })

  it('does not count a call that did not get through as a crash', () => {
    const throttled = { retryable: true, reason: 'throttled', message: 'slow down' } as const
    const restarting: SlotFacts = { ...running, phase: 'starting', ready: false }
    const refused = { ...restarting, ...afterError(restarting, throttled, start, limits) }
    const seen = { ...refused, ...afterObserve(refused, { phase: 'exited' }, start, limits) }
    expect(seen).toMatchObject({ attempts: 0, pending_reason: 'throttled' })
    expect(decideSlot(seen, addSeconds(start, 60), limits).kind).toBe('ensure_machine')
  })

  it('lets only the first in the queue ask for capacity', () => {
    const waiting: SlotFacts = {
      ...newSlot,
      phase: 'starting',
      pending_reason: 'no_capacity',
      waiting_since: start,
    }
    expect(decideSlot({ ...waiting, queue_place: 1 }, start, limits).kind).toBe('ensure_machine')
    expect(decideSlot({ ...waiting, queue_place: 2 }, start, limits).kind).toBe('wait')
  })

  it('offers a slot of the pool only when it is ready and its slow first turn is behind it', () => {
    const pooled: SlotFacts = { ...running, state: 'initializing' }
    expect(decideSlot({ ...pooled, warm: false }, start, limits).kind).not.toBe('change')
    expect(decideSlot(pooled, start, limits)).toEqual({ kind: 'change', patch: { state: 'available' } })
  })

  it('replaces a failed slot of the pool and keeps a failed one that somebody owns', () => {
    const failed: SlotFacts = { ...running, failure_code: 'configuration_invalid' }
    expect(decideSlot({ ...failed, state: 'available' }, start, limits)).toMatchObject({
      patch: { state: 'terminating', wanted: 'removed' },
    })
    expect(decideSlot(failed, start, limits)).toMatchObject({ kind: 'wait' })
  })

  it('gives a machine a new one-time credential only when it cannot have its own', () => {
    const linked = { ...running, link_credential_hash: Buffer.alloc(32) }
    expect(needsBootstrap(newSlot)).toBe(true)
    expect(needsBootstrap({ ...linked, phase: 'exited' })).toBe(false)
    expect(needsBootstrap({ ...linked, phase: 'absent' })).toBe(true)
    expect(needsBootstrap({ ...linked, phase: 'exited', attempts: 2 })).toBe(true)
  })
})
