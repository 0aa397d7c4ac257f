import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { DesiredState, InstanceStatus } from '../../db/schema.ts'
import type { FreezeTier, Rung } from '../../db/tables/idle.ts'
import type { ComputeError, Observation } from './compute.ts'
import { decideInstance, type InstanceFacts } from './lifecycle.ts'
import { newSlot, start } from './lifecycle-fixtures.ts'
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
  type SlotFacts,
} from './slot-lifecycle.ts'

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
  restore_open: fc.boolean(),
  heartbeat_at: maybe(time),
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
      credit_hold: fc.constantFrom('credits' as const, 'budget' as const, null, null, null, null),
      credit_hold_message: fc.constant(null),
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
function wantedOf({ desired_state, rung, credit_hold }: InstanceFacts): DesiredState | 'archived' {
  if (credit_hold !== null && desired_state !== 'deleted') return 'stopped'
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
