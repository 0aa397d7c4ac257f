import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { DesiredState, InstanceStatus } from '../../db/schema.ts'
import type { FreezeTier, Rung } from '../../db/tables/idle.ts'
import type { ComputeError, Observation } from './compute.ts'
import { decideInstance, type InstanceFacts } from './lifecycle.ts'
import { addSeconds, lifecycleLimits as limits } from './limits.ts'
import {
  afterEnsure,
  afterError,
  afterFind,
  afterFreeze,
  afterObserve,
  afterRemove,
  afterResume,
  afterStop,
  afterSuspend,
  beforeEnsure,
  decideSlot,
  needsBootstrap,
  type SlotFacts,
} from './slot-lifecycle.ts'

const start = new Date('2026-03-01T00:00:00Z')

const newSlot: SlotFacts = {
  state: 'assigned',
  wanted: 'running',
  phase: 'absent',
  handle: null,
  address: null,
  pending_reason: null,
  failure_code: null,
  failure_message: null,
  ready: false,
  warm: false,
  link_connected_at: null,
  link_credential_hash: null,
  restart_generation: 0,
  applied_restart_generation: 0,
  attempts: 0,
  retry_at: null,
  started_at: null,
  observed_at: null,
  not_ready_since: null,
  waiting_since: null,
  spec_version: 'v1',
  made_of: 'v1',
  upgrade_from: null,
  upgrade_until: null,
  refused_spec: null,
  refused_reason: null,
  queue_place: null,
  freeze_wanted: null,
  frozen: null,
  resumed_at: null,
}

const running: SlotFacts = {
  ...newSlot,
  phase: 'running',
  handle: { id: 1 },
  address: 'http://127.0.0.1:1',
  ready: true,
  warm: true,
  link_connected_at: start,
  started_at: start,
  observed_at: start,
}

const wants = (desired_state: DesiredState, restart_generation = 0): InstanceFacts => ({
  desired_state,
  status: 'provisioning',
  restart_generation,
  rung: 'active',
})

describe('decideInstance', () => {
  it('asks for a slot when it should run and has none', () => {
    expect(decideInstance(wants('running'), null)).toMatchObject({
      action: { kind: 'claim_slot' },
      status: 'provisioning',
    })
  })

  it('runs once its slot is ready and has applied every restart', () => {
    expect(decideInstance(wants('running'), running).status).toBe('running')
    const restarting = { ...running, restart_generation: 1 }
    expect(decideInstance(wants('running', 1), restarting).status).toBe('provisioning')
    const restarted = { ...restarting, applied_restart_generation: 1 }
    expect(decideInstance(wants('running', 1), restarted).status).toBe('running')
  })

  it('does not run on a slot that is ready but has no address, or whose machine is gone', () => {
    expect(decideInstance(wants('running'), { ...running, address: null }).status).toBe('provisioning')
    expect(decideInstance(wants('running'), { ...running, phase: 'exited' }).status).toBe('provisioning')
  })

  it('is failed with a reason that says what to do when its slot has failed', () => {
    const failed = {
      ...running,
      failure_code: 'configuration_invalid',
      failure_message: 'models: expected array',
    }
    expect(decideInstance(wants('running'), failed)).toMatchObject({
      status: 'failed',
      reason: {
        code: 'configuration_invalid',
        message: 'models: expected array. Correct OpenClaw’s configuration, then restart it.',
      },
    })
  })

  it('passes a restart on even when the slot has failed, so that a failure can be left', () => {
    const failed = { ...running, failure_code: 'crashed' }
    expect(decideInstance(wants('running', 1), failed).action.kind).toBe('restart_slot')
  })

  it('says the place in the queue while there is no capacity', () => {
    const waiting = { ...newSlot, phase: 'starting' as const, pending_reason: 'no_capacity', queue_place: 3 }
    const decision = decideInstance(wants('running'), waiting)
    expect(decision.status).toBe('provisioning')
    expect(decision.reason?.code).toBe('no_capacity')
    expect(decision.reason?.message).toContain('number 3 in the queue')
  })

  it('is stopped only when the machine has ended, and deleted only when the slot is gone', () => {
    expect(decideInstance(wants('stopped'), running)).toMatchObject({
      action: { kind: 'stop_slot' },
      status: 'stopping',
    })
    const stopping = { ...running, wanted: 'stopped' as const }
    expect(decideInstance(wants('stopped'), stopping).status).toBe('stopping')
    expect(decideInstance(wants('stopped'), { ...stopping, phase: 'exited' }).status).toBe('stopped')
    expect(decideInstance(wants('deleted'), running).action.kind).toBe('remove_slot')
    expect(decideInstance(wants('deleted'), { ...running, wanted: 'removed' }).status).toBe('deleting')
    expect(decideInstance(wants('deleted'), null).status).toBe('deleted')
  })
})

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

/** A world of one instance, at most one slot and its machine, in which each decision is carried out at once. */
interface World {
  instance: InstanceFacts
  slot: SlotFacts | null
  machine: 'none' | 'booting' | 'running' | 'ended' | 'suspended'
  now: Date
  /** How often a machine was started. */
  boots: number
  /** Errors that the driver still has to give before it behaves. */
  errors: Pick<ComputeError, 'retryable' | 'reason' | 'message'>[]
}

function settle(world: World): void {
  for (let changes = 0; changes < 6; changes++) {
    const { action, status } = decideInstance(world.instance, world.slot)
    world.instance = { ...world.instance, status }
    const fresh = { failure_code: null, failure_message: null, attempts: 0, retry_at: null }
    const change = (patch: Partial<SlotFacts>) => {
      if (world.slot) world.slot = { ...world.slot, ...patch }
    }
    switch (action.kind) {
      case 'none':
        return
      case 'claim_slot':
        world.slot = { ...newSlot }
        world.instance = { ...world.instance, restart_generation: 0 }
        break
      case 'run_slot':
        change({ wanted: 'running', ...fresh })
        break
      case 'restart_slot':
        change({ wanted: 'running', restart_generation: world.instance.restart_generation, ...fresh })
        break
      case 'stop_slot':
        change({ wanted: 'stopped', retry_at: null })
        break
      case 'suspend_slot':
        change({ wanted: 'suspended', freeze_wanted: action.freeze, retry_at: null })
        break
      case 'remove_slot':
        change({ wanted: 'removed', state: 'terminating', retry_at: null })
        break
    }
  }
  throw new Error('the instance does not settle')
}

/** One turn: the supervisor reports, the slot's worker does one thing, the instance is settled, time passes. */
function turn(world: World): void {
  if (world.slot && world.machine === 'running')
    world.slot = {
      ...world.slot,
      ready: true,
      warm: true,
      link_connected_at: world.now,
      applied_restart_generation: world.slot.restart_generation,
    }
  if (world.slot) world.slot = work(world, world.slot)
  if (world.slot?.state === 'removed') world.slot = null
  settle(world)
  world.now = addSeconds(world.now, 1)
  if (world.machine === 'booting') world.machine = 'running'
}

function work(world: World, slot: SlotFacts): SlotFacts {
  const { now } = world
  const action = decideSlot(slot, now, limits)
  const call = (patch: () => Partial<SlotFacts>): SlotFacts => {
    const error = world.errors.shift()
    return { ...slot, ...(error ? (afterError(slot, error, now, limits) as Partial<SlotFacts>) : patch()) }
  }
  switch (action.kind) {
    case 'wait':
      return slot
    case 'change':
      return { ...slot, ...(action.patch as Partial<SlotFacts>) }
    case 'ensure_machine':
      slot = { ...slot, ...(beforeEnsure(slot, action.boot, now) as Partial<SlotFacts>) }
      return call(() => {
        if (world.machine === 'none' || world.machine === 'ended') {
          world.machine = 'booting'
          world.boots += 1
        }
        return afterEnsure(slot, { id: 1 }, now) as Partial<SlotFacts>
      })
    case 'observe':
      return call(() => afterObserve(slot, observe(world), now, limits) as Partial<SlotFacts>)
    case 'stop_machine':
      return call(() => {
        if (world.machine !== 'none') world.machine = 'ended'
        return afterStop(now) as Partial<SlotFacts>
      })
    case 'suspend_machine':
      return call(() => {
        world.machine = 'suspended'
        return afterSuspend(now) as Partial<SlotFacts>
      })
    case 'resume_machine':
      return call(() => {
        world.machine = 'running'
        return afterResume(slot, now) as Partial<SlotFacts>
      })
    case 'freeze_machine':
      return { ...slot, ...(afterFreeze(action.tier) as Partial<SlotFacts>) }
    case 'find_machine':
      return call(() => afterFind(world.machine === 'none' ? undefined : { id: 1 }) as Partial<SlotFacts>)
    case 'remove_machine':
      return call(() => {
        world.machine = 'none'
        return afterRemove() as Partial<SlotFacts>
      })
  }
}

function observe(world: World): Observation {
  switch (world.machine) {
    case 'none':
      return { phase: 'absent' }
    case 'booting':
      return { phase: 'starting' }
    case 'running':
      return { phase: 'running', address: 'http://127.0.0.1:1' }
    case 'ended':
      return { phase: 'exited' }
    case 'suspended':
      return { phase: 'suspended' }
  }
}

const time = fc.integer({ min: -900, max: 0 }).map((seconds) => addSeconds(start, seconds))
const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: null })

/** Any row whatever, even such as no history leads to: a reconciler must find its way from there too. */
const anySlot: fc.Arbitrary<SlotFacts> = fc.record({
  state: fc.constant('assigned' as const),
  wanted: fc.constantFrom('running', 'suspended', 'stopped', 'removed'),
  phase: fc.constantFrom('absent', 'starting', 'running', 'suspended', 'exited', 'failed'),
  handle: fc.constantFrom(null, { id: 1 }),
  address: fc.constantFrom(null, 'http://127.0.0.1:2'),
  pending_reason: fc.constantFrom(null, 'no_capacity', 'throttled', 'booting'),
  failure_code: fc.constant(null),
  failure_message: fc.constant(null),
  ready: fc.boolean(),
  warm: fc.boolean(),
  link_connected_at: maybe(time),
  link_credential_hash: fc.constant(null),
  restart_generation: fc.integer({ min: 0, max: 2 }),
  applied_restart_generation: fc.integer({ min: 0, max: 2 }),
  attempts: fc.integer({ min: 0, max: 3 }),
  retry_at: maybe(time),
  started_at: maybe(time),
  observed_at: maybe(time),
  not_ready_since: fc.constant(null),
  waiting_since: maybe(time),
  spec_version: fc.constantFrom('v1', 'v2'),
  made_of: fc.constantFrom(null, 'v1', 'v2'),
  upgrade_from: fc.constant(null),
  upgrade_until: fc.constant(null),
  refused_spec: fc.constant(null),
  refused_reason: fc.constant(null),
  queue_place: fc.constantFrom(null, 1),
  freeze_wanted: fc.constantFrom<FreezeTier | null>(null, 'memory', 'disk'),
  frozen: fc.constantFrom<FreezeTier | null>(null, 'memory', 'disk'),
  resumed_at: fc.constant(null),
})

const anyErrors = fc.array(
  fc.constantFrom('no_capacity' as const, 'throttled' as const, 'unavailable' as const).map((reason) => ({
    retryable: true,
    reason,
    message: 'later',
  })),
  { maxLength: 4 },
)

const anyWorld: fc.Arbitrary<World> = fc
  .record({
    instance: fc.record({
      desired_state: fc.constantFrom<DesiredState>('running', 'suspended', 'stopped', 'deleted'),
      status: fc.constantFrom<InstanceStatus>('provisioning', 'running', 'stopped', 'stopping', 'failed'),
      restart_generation: fc.integer({ min: 0, max: 3 }),
      rung: fc.constantFrom<Rung>('active', 'suspended', 'frozen', 'frozen_on_disk', 'stopped', 'archived'),
    }),
    slot: maybe(anySlot),
    machine: fc.constantFrom('none', 'booting', 'running', 'ended', 'suspended'),
    now: fc.constant(start),
    boots: fc.constant(0),
    errors: anyErrors,
  })
  .filter(isPossible)

/**
 * What the order of writes and calls rules out: a machine of which the row has no trace, and one that runs again after
 * the driver has said that it ended. Should the driver make either true, the sweeper finds it.
 */
function isPossible({ slot, machine }: World): boolean {
  if (slot === null) return machine === 'none'
  const moves = machine === 'booting' || machine === 'running'
  switch (slot.phase) {
    case 'absent':
      return machine === 'none'
    case 'exited':
    case 'failed':
      return slot.handle !== null && !moves && machine !== 'suspended'
    case 'suspended':
      return slot.handle !== null && !moves
    case 'starting':
      return true
    case 'running':
      return slot.handle !== null
  }
}

const turnsMax = 200

describe('lifecycle', () => {
  it('leads from any state to what is wanted, once the driver behaves, and stays there', () => {
    fc.assert(
      fc.property(anyWorld, (first) => {
        const world = structuredClone(first)
        const wanted = wantedOf(world.instance)
        // It must be true often in a row, since a state that is only passed through is not reached.
        let settledTurns = 0
        for (let turns = 0; turns < turnsMax && settledTurns < 20; turns++) {
          turn(world)
          settledTurns = reached(world, wanted) ? settledTurns + 1 : 0
        }
        expect({ reached: reached(world, wanted), world }).toMatchObject({ reached: true })
      }),
      { numRuns: 2_000 },
    )
  })

  it('never undoes a stop by a person, whatever the driver and the machine do', () => {
    fc.assert(
      fc.property(
        anyWorld,
        fc.array(fc.constantFrom('turn', 'crash', 'vanish', 'ready')),
        (first, events) => {
          const world = structuredClone(first)
          world.instance = { ...world.instance, desired_state: 'stopped' }
          settle(world)
          for (const event of events) {
            if (event === 'turn') turn(world)
            if (event === 'crash' && world.machine !== 'none') world.machine = 'ended'
            if (event === 'vanish') world.machine = 'none'
            if (event === 'ready' && world.slot) world.slot = { ...world.slot, ready: true, warm: true }
            expect(world.instance.desired_state).toBe('stopped')
            expect(world.instance.status).not.toBe('running')
            expect(world.slot?.wanted ?? 'stopped').not.toBe('running')
            expect(world.boots).toBe(0)
          }
        },
      ),
      { numRuns: 2_000 },
    )
  })
})

/** Where an instance that its owner wants running is to come to rest depends on its rung. */
function wantedOf({ desired_state, rung }: InstanceFacts): DesiredState | 'archived' {
  if (desired_state !== 'running' || rung === 'active') return desired_state
  if (rung === 'archived' || rung === 'deleted') return 'archived'
  return rung === 'stopped' ? 'stopped' : 'suspended'
}

function reached(world: World, wanted: ReturnType<typeof wantedOf>): boolean {
  const { instance, machine, slot } = world
  switch (wanted) {
    case 'running':
      return instance.status === 'running' && machine === 'running'
    case 'stopped':
      return instance.status === 'stopped' && (machine === 'none' || machine === 'ended')
    case 'suspended':
      return (
        (instance.status === 'suspended' && machine === 'suspended' && frozenEnough(world)) ||
        // What had ended before it could be suspended is as good as stopped.
        (instance.status === 'stopped' && machine !== 'running')
      )
    case 'archived':
      return instance.status === 'stopped' && slot === null && machine === 'none'
    case 'deleted':
      return instance.status === 'deleted' && slot === null && machine === 'none'
  }
}

function frozenEnough({ slot }: World): boolean {
  return slot?.freeze_wanted === null || slot?.frozen === 'disk' || slot?.frozen === slot?.freeze_wanted
}
