import type { DesiredState } from '../../db/schema.ts'
import type { InstanceFacts } from './lifecycle.ts'
import type { SlotFacts } from './slot-lifecycle.ts'

/** Rows for the tests of decisions. */
export const start = new Date('2026-03-01T00:00:00Z')

export const newSlot: SlotFacts = {
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
  restore_open: false,
  heartbeat_at: null,
  freeze_wanted: null,
  frozen: null,
  resumed_at: null,
}

export const running: SlotFacts = {
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

export const wants = (desired_state: DesiredState, restart_generation = 0): InstanceFacts => ({
  desired_state,
  status: 'provisioning',
  restart_generation,
  rung: 'active',
  credit_hold: null,
  credit_hold_message: null,
})
