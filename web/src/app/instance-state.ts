import type { Instance } from '../api/types.ts'

type State = Pick<Instance, 'status' | 'desiredState' | 'sleep'>

/** It sleeps although its owner wants it: whatever is asked of it wakes it. */
export function isAsleep(instance: State): boolean {
  return instance.sleep !== null
}

/** It answers at once; asking it for something changes nothing about how it runs. */
export function isAwake(instance: State): boolean {
  return instance.status === 'running' && !isAsleep(instance)
}

/** It is on its way to running: whoever asks it for something waits for it. */
export function isStarting(instance: State): boolean {
  return instance.desiredState === 'running' && instance.status === 'provisioning'
}

/** Worth a list of conversations: what runs, sleeps, or comes back to what was said before. */
export function hasConversations(instance: State): boolean {
  return instance.status === 'running' || isAsleep(instance) || isStarting(instance)
}

/**
 * Whether the chat is shown rather than the card that leads to it. A sleeping instance is as good as a running one. A
 * launch is watched on the card, but a chat that is open stays open while its instance wakes or restarts.
 */
export function chatIsOpen(instance: State | null, wasOpen: boolean): boolean {
  if (!instance) return false
  return instance.status === 'running' || isAsleep(instance) || (wasOpen && isStarting(instance))
}
