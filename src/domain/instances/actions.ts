import type { InstanceStatus } from '../../db/schema.ts'

/**
 * What can be done with an instance in each status. The API refuses what is not listed and the dashboard offers only
 * what is, both from this table; it imports nothing at run time, so that a browser can take it.
 */
const instanceActions = {
  provisioning: ['stop', 'restart', 'delete'],
  running: ['open', 'chat', 'suspend', 'restart', 'upgrade', 'stop', 'delete'],
  suspended: ['start', 'open', 'chat', 'upgrade', 'stop', 'delete'],
  stopping: ['start', 'delete'],
  stopped: ['start', 'upgrade', 'delete'],
  failed: ['start', 'restart', 'upgrade', 'stop', 'delete'],
  deleting: [],
  deleted: [],
} as const satisfies Record<InstanceStatus, readonly string[]>

export type InstanceAction = 'start' | 'suspend' | 'stop' | 'restart' | 'upgrade' | 'delete' | 'open' | 'chat'

/** One that merely sleeps, however deeply, is used like a suspended one: whatever comes for it wakes it. */
export function actionsFor(
  status: InstanceStatus,
  isAsleep: boolean,
  isHeld = false,
): readonly InstanceAction[] {
  // It would start again by itself, which its owner may not want.
  if (isHeld && status === 'stopped') return [...instanceActions.stopped, 'stop']
  return instanceActions[isAsleep && status === 'stopped' ? 'suspended' : status]
}

/**
 * Talking to an instance and opening its address are its owner's alone; managing it is also its organization's. Not
 * every kind of machine can be suspended, and there is not always newer software.
 */
export function actionsOf(
  status: InstanceStatus,
  viewed: {
    isOwner: boolean
    isAsleep: boolean
    canSuspend: boolean
    canUpgrade: boolean
    /** Stopped for lack of credits. */
    isHeld?: boolean
  },
): InstanceAction[] {
  const { isOwner, isAsleep, canSuspend, canUpgrade } = viewed
  return actionsFor(status, isAsleep, viewed.isHeld).filter((action) => {
    if (action === 'open' || action === 'chat') return isOwner
    if (action === 'upgrade') return canUpgrade
    return action !== 'suspend' || canSuspend
  })
}
