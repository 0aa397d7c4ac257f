import { describe, expect, it } from 'vitest'
import { actionsOf } from './actions.ts'

describe('actions', () => {
  it('lets nobody but the owner talk to an instance or open it', () => {
    expect(actionsOf('running', true)).toEqual(['open', 'chat', 'restart', 'stop', 'delete'])
    expect(actionsOf('running', false)).toEqual(['restart', 'stop', 'delete'])
  })

  it('offers nothing for what is going away', () => {
    expect(actionsOf('deleting', true)).toEqual([])
  })
})
