import type { Rung } from '../../db/tables/idle.ts'
import type { InstanceRow } from './lifecycle.ts'

/** How an instance sleeps that its owner wants running; the shape of `sleepSchema`. */
export interface Sleep {
  rung: Exclude<Rung, 'active' | 'deleted'>
  since: string
  /** When it wakes by itself for something that its OpenClaw planned. */
  wakesAt: string | null
  billed: string
  survives: string
}

/** What each rung costs its owner and keeps for them, in words for the page and for the documentation. */
const rungs: Record<Sleep['rung'], Pick<Sleep, 'billed' | 'survives'>> = {
  suspended: {
    billed: 'Sleep, a fraction of running.',
    survives: 'Everything: files, memory, open connections, turns.',
  },
  frozen: {
    billed: 'Sleep, a fraction of running.',
    survives: 'Everything: files, memory, open connections, turns.',
  },
  frozen_on_disk: {
    billed: 'Sleep, a fraction of running.',
    survives: 'Everything: files, memory, open connections, turns.',
  },
  stopped: {
    billed: 'Storage. No running time.',
    survives: 'Files, conversations and settings. Programs that ran in it have ended.',
  },
  archived: {
    billed: 'Storage of its backup.',
    survives: 'What its last backup holds: files, conversations and settings.',
  },
}

export function sleepOf(
  row: Pick<InstanceRow, 'desired_state' | 'rung' | 'rung_since' | 'next_wake_at' | 'credit_hold'>,
): Sleep | null {
  // Nothing wakes it then.
  if (row.credit_hold !== null) return null
  if (row.desired_state !== 'running' || row.rung === 'active' || row.rung === 'deleted') return null
  return {
    rung: row.rung,
    since: row.rung_since.toISOString(),
    wakesAt: row.next_wake_at && row.next_wake_at > row.rung_since ? row.next_wake_at.toISOString() : null,
    ...rungs[row.rung],
  }
}
