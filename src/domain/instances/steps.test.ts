import { describe, expect, it } from 'vitest'
import type { LaunchStep } from '../../db/schema.ts'
import { advanceSteps } from './steps.ts'

const at = (second: number) => new Date(Date.UTC(2026, 2, 1, 0, 0, second))
const text = (second: number) => at(second).toISOString()
const requested: LaunchStep[] = [
  { name: 'requested', startedAt: text(0), finishedAt: text(0) },
  { name: 'credits_checked', startedAt: text(0), finishedAt: text(0) },
]

describe('advanceSteps', () => {
  it('gives each step the time at which it was seen to begin and to end', () => {
    const claiming = advanceSteps(requested, 'slot_claimed', at(1))
    const starting = advanceSteps(claiming, 'machine_started', at(2))
    const booting = advanceSteps(starting, 'openclaw_ready', at(5))
    expect(advanceSteps(booting, 'running', at(15))).toEqual([
      ...requested,
      { name: 'slot_claimed', startedAt: text(0), finishedAt: text(2) },
      { name: 'machine_started', startedAt: text(2), finishedAt: text(5) },
      { name: 'openclaw_ready', startedAt: text(5), finishedAt: text(15) },
      { name: 'running', startedAt: text(15), finishedAt: text(15) },
    ])
  })

  it('changes nothing while the same step is under way', () => {
    const starting = advanceSteps(requested, 'machine_started', at(2))
    expect(advanceSteps(starting, 'machine_started', at(9))).toEqual(starting)
  })

  it('finishes at once what a warm slot has behind it', () => {
    const steps = advanceSteps(requested, 'running', at(1))
    expect(steps.map((step) => step.name)).toHaveLength(6)
    expect(steps.every((step) => step.finishedAt !== null)).toBe(true)
  })

  it('takes back what a crash undid, and begins it again', () => {
    const booting = advanceSteps(requested, 'openclaw_ready', at(5))
    const crashed = advanceSteps(booting, 'machine_started', at(7))
    expect(crashed.at(-1)).toEqual({ name: 'machine_started', startedAt: text(7), finishedAt: null })
  })

  it('begins a launch of its own when a running instance goes back', () => {
    const running = advanceSteps(requested, 'running', at(1))
    expect(advanceSteps(running, 'machine_started', at(60))).toEqual([
      { name: 'machine_started', startedAt: text(60), finishedAt: null },
    ])
    const mute = advanceSteps(running, 'openclaw_ready', at(59))
    expect(advanceSteps(mute, 'machine_started', at(60)).map((step) => step.name)).toEqual([
      'machine_started',
    ])
    expect(advanceSteps(running, 'running', at(60))).toEqual(running)
  })
})
