import { describe, expect, it } from 'vitest'
import { decideInstance } from './lifecycle.ts'
import { newSlot, running, wants } from './lifecycle-fixtures.ts'

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
