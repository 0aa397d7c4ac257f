import { describe, expect, it } from 'vitest'
import { runtimeWorld } from '../../../test/support/runtime-world.ts'

/**
 * Lifecycle and billing of one organization over some hours, by a clock of its own, with everything going wrong that
 * does: heartbeats lost, repeated and late, clocks that jump, supervisors and control planes killed in the middle of a
 * charge and away for long, a database that restarts. A seed that fails is run again alone with
 *   REEF_TEST_SEED=SEED npx vitest run --project reef src/domain/credits/runtime-simulation.test.ts
 */
const seeds = process.env.REEF_TEST_SEED
  ? [Number(process.env.REEF_TEST_SEED)]
  : Array.from({ length: Number(process.env.REEF_TEST_SEEDS ?? 40) }, (_, index) => index + 1)

describe('runtime and its billing', () => {
  it.each(seeds)('agree, and nobody overdraws, in the history of seed %i', (seed) => {
    const end = runtimeWorld(seed).live(3 * 3600_000)
    expect(end.events, 'a history in which nothing happens shows nothing').toBeGreaterThan(20)
    // What was measured, what was written as usage, and what the ledger took are one and the same.
    expect(end.usageMs).toEqual(end.measuredMs)
    expect(end.ledgerSpent).toBe(end.usageCost)
    expect(end.sources).toBe(end.uses)
    // Every row begins where the one before ended, or later.
    expect(end.overlaps).toEqual([])
    for (const { measured, served, lossMax } of end.instances) {
      // Nothing is invented, and no more is lost than what a killed supervisor had not kept.
      expect(measured).toBeLessThanOrEqual(served)
      expect(served - measured).toBeLessThanOrEqual(lossMax)
    }
    expect(end.writtenOff).toBeLessThanOrEqual(end.costOfOneSecond)
    expect(end.heldAtEnd).toBe(0)
    if (!end.budget) return
    expect(end.budget.spent - end.budget.limit).toBeLessThanOrEqual(end.costOfOneSecond)
    expect(end.budget.held).toBe(0)
  })
})
