import { describe, expect, it } from 'vitest'
import type { Rung } from '../../db/tables/idle.ts'
import { decideRung, type IdleFacts, type IdleTimes } from './idle.ts'
import { idleTimesOf, parseIdleTime } from './idle-plans.ts'
import { addSeconds } from './limits.ts'

const now = new Date('2026-03-01T12:00:00Z')
const ago = (seconds: number) => addSeconds(now, -seconds)
const ahead = (seconds: number) => addSeconds(now, seconds)
const minute = 60
const hour = 3600
const day = 86_400

const times: IdleTimes = {
  suspended: 2 * minute,
  frozen: 10 * minute,
  frozen_on_disk: 2 * hour,
  stopped: 3 * day,
  archived: 30 * day,
  deleted: null,
}
const everything = { suspend: true, freeze: true }

const awake: IdleFacts = {
  rung: 'active',
  rungSince: ago(30 * day),
  serving: true,
  servingSince: ago(30 * day),
  turnsInFlight: 0,
  heardAt: ago(5),
  busyAt: null,
  lastActiveAt: ago(10),
  nextWakeAt: null,
  backup: 'impossible',
}
const asleep = (rung: Rung, idleSeconds: number, more: Partial<IdleFacts> = {}): IdleFacts => ({
  ...awake,
  rung,
  rungSince: ago(60),
  serving: false,
  lastActiveAt: ago(idleSeconds),
  ...more,
})
const decide = (facts: IdleFacts, plan = times, can = everything) => decideRung(facts, plan, can, now)

describe('who is used', () => {
  it.each<[string, Partial<IdleFacts>]>([
    ['a person was there a moment ago', {}],
    [
      'a turn is under way, however long ago a person was there',
      { lastActiveAt: ago(day), turnsInFlight: 1 },
    ],
    ['a turn has just ended', { lastActiveAt: ago(day), busyAt: ago(20) }],
    ['it has just been woken', { lastActiveAt: ago(day), rungSince: ago(20) }],
    ['it has only just begun to serve', { lastActiveAt: ago(day), servingSince: ago(20) }],
    ['it does not serve yet', { lastActiveAt: ago(day), serving: false }],
    ['nobody hears of it', { lastActiveAt: ago(day), heardAt: ago(600) }],
    [
      'it was woken a while ago and has not been heard of since',
      { lastActiveAt: ago(day), rungSince: ago(50), heardAt: ago(55) },
    ],
    [
      'it began to serve a while ago and has not been heard of since',
      { lastActiveAt: ago(day), rungSince: ago(200), servingSince: ago(50), heardAt: ago(55) },
    ],
    ['nobody ever heard of it', { lastActiveAt: ago(day), heardAt: null }],
    ['it is about to act by itself', { lastActiveAt: ago(day), nextWakeAt: ahead(3) }],
    ['it is to act now and has not begun', { lastActiveAt: ago(day), nextWakeAt: ago(60) }],
  ])('stays awake: %s', (_, facts) => {
    expect(decide({ ...awake, ...facts }).rung).toBe('active')
  })

  it('is looked at again just when it may have been idle for long enough', () => {
    expect(decide(awake).lookAt).toEqual(addSeconds(awake.lastActiveAt, 2 * minute))
  })
})

describe('who is not used', () => {
  it.each<[number, Rung, number | null]>([
    [119, 'active', 2 * minute],
    [120, 'suspended', 10 * minute],
    [11 * minute, 'frozen', 2 * hour],
    [3 * hour, 'frozen_on_disk', 3 * day],
    [4 * day, 'stopped', 30 * day],
  ])('after %i seconds is %s', (idleSeconds, rung, nextSeconds) => {
    const decision = decide({ ...awake, lastActiveAt: ago(idleSeconds) })
    expect(decision.rung).toBe(rung)
    expect(decision.lookAt).toEqual(nextSeconds && addSeconds(ago(idleSeconds), nextSeconds))
  })

  it('goes down from rung to rung, and never up by itself', () => {
    const down: [Rung, number, Rung][] = [
      ['suspended', 11 * minute, 'frozen'],
      ['frozen', 3 * hour, 'frozen_on_disk'],
      ['frozen_on_disk', 4 * day, 'stopped'],
      ['stopped', 5, 'stopped'],
      ['frozen', 5, 'frozen'],
    ]
    for (const [from, idleSeconds, to] of down) expect(decide(asleep(from, idleSeconds)).rung).toBe(to)
  })

  it('skips the rungs that its machine cannot take', () => {
    const idle = { ...awake, lastActiveAt: ago(3 * hour) }
    expect(decide(idle, times, { suspend: true, freeze: false }).rung).toBe('suspended')
    expect(decide(idle, times, { suspend: false, freeze: false })).toMatchObject({
      rung: 'active',
      lookAt: addSeconds(idle.lastActiveAt, 3 * day),
    })
  })

  it('skips the rungs that its plan has turned off, and stays awake for ever when all are', () => {
    const idle = { ...awake, lastActiveAt: ago(40 * day) }
    expect(decide(idle, { ...times, stopped: null, archived: null }).rung).toBe('frozen_on_disk')
    expect(decide(idle, idleTimesOf('always_on', {}))).toMatchObject({ rung: 'active', lookAt: null })
  })

  it('was awake only for a planned act, it sleeps again soon after it, as deeply as before', () => {
    const woken = { ...awake, lastActiveAt: ago(5 * hour), rungSince: ago(100), nextWakeAt: ahead(6 * hour) }
    expect(decide({ ...woken, busyAt: ago(30) }).rung).toBe('active')
    expect(decide({ ...woken, busyAt: ago(50) }).rung).toBe('frozen_on_disk')
  })
})

describe('who plans to act', () => {
  it.each<[Rung, number]>([
    ['suspended', 2],
    ['frozen', 4],
    ['frozen_on_disk', 8],
    ['stopped', 45],
  ])('is woken from %s %i seconds before', (rung, leadSeconds) => {
    const idleSeconds = 60
    expect(decide(asleep(rung, idleSeconds, { nextWakeAt: ahead(leadSeconds + 1) }))).toMatchObject({
      rung,
      lookAt: ahead(1),
    })
    expect(decide(asleep(rung, idleSeconds, { nextWakeAt: ahead(leadSeconds) })).rung).toBe('active')
  })

  it('soon again is not stopped, because booting costs more than that sleep', () => {
    expect(decide(asleep('frozen', 4 * day, { nextWakeAt: ahead(hour) })).rung).toBe('frozen_on_disk')
    expect(decide(asleep('frozen', 4 * day, { nextWakeAt: ahead(day) })).rung).toBe('stopped')
  })

  it('is not woken for what it planned before it fell asleep and slept over', () => {
    expect(decide(asleep('suspended', 180, { nextWakeAt: ago(400) })).rung).toBe('suspended')
  })

  it('and then does nothing is let down again', () => {
    const facts = { ...awake, lastActiveAt: ago(day), rungSince: ago(900), nextWakeAt: ago(600) }
    expect(decide(facts).rung).toBe('frozen_on_disk')
  })
})

describe('whose machine may go', () => {
  it.each<[IdleFacts['backup'], Rung, boolean]>([
    ['impossible', 'stopped', false],
    ['outdated', 'stopped', true],
    ['fresh', 'archived', false],
  ])('with a backup that is %s is %s', (backup, rung, backUp) => {
    const decision = decide(asleep('stopped', 40 * day, { backup }))
    expect(decision).toMatchObject({ rung, backUp })
    expect(backUp ? decision.lookAt : true).not.toBeNull()
  })

  it('is deleted only when the plan says so', () => {
    const old = asleep('archived', 400 * day)
    expect(decide(old).rung).toBe('archived')
    expect(decide(old, { ...times, deleted: 365 * day }).rung).toBe('deleted')
  })

  it('is not deleted while it waits for its backup', () => {
    const waiting = asleep('stopped', 400 * day, { backup: 'outdated' })
    expect(decide(waiting, { ...times, deleted: 365 * day }).rung).toBe('stopped')
  })
})

describe('idle times', () => {
  it('are read as people write them', () => {
    expect(['90s', '2m', '1.5h', '3d', 'off', '3', '-1s', ''].map(parseIdleTime)).toEqual([
      90,
      120,
      5400,
      3 * day,
      null,
      undefined,
      undefined,
      undefined,
    ])
  })

  it('of the operator replace those of the free plan alone', () => {
    expect(idleTimesOf('free', { suspended: 5, stopped: null })).toMatchObject({
      suspended: 5,
      frozen: 600,
      stopped: null,
    })
    expect(idleTimesOf('always_on', { suspended: 5 }).suspended).toBeNull()
    expect(idleTimesOf('unheard-of', {}).suspended).toBeNull()
  })
})
