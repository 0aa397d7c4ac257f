import { describe, expect, it } from 'vitest'
import { actionsOf } from './actions.ts'

describe('actions', () => {
  it('lets nobody but the owner talk to an instance or open it', () => {
    const owner = { isOwner: true, isAsleep: false, canSuspend: true, canUpgrade: true }
    expect(actionsOf('running', owner)).toEqual([
      'open',
      'chat',
      'suspend',
      'restart',
      'upgrade',
      'stop',
      'delete',
    ])
    expect(actionsOf('running', { ...owner, isOwner: false })).toEqual([
      'suspend',
      'restart',
      'upgrade',
      'stop',
      'delete',
    ])
  })

  it('does not offer to suspend what cannot be', () => {
    expect(
      actionsOf('running', { isOwner: true, isAsleep: false, canSuspend: false, canUpgrade: false }),
    ).not.toContain('suspend')
  })

  it('offers nothing for what is going away', () => {
    expect(
      actionsOf('deleting', { isOwner: true, isAsleep: false, canSuspend: true, canUpgrade: true }),
    ).toEqual([])
  })

  it('lets people use, and stop for good, what only sleeps, and merely start what they stopped', () => {
    const owner = { isOwner: true, isAsleep: false, canSuspend: true, canUpgrade: false }
    expect(actionsOf('stopped', owner)).toEqual(['start', 'delete'])
    expect(actionsOf('stopped', { ...owner, isAsleep: true })).toEqual([
      'start',
      'open',
      'chat',
      'stop',
      'delete',
    ])
  })
})
