import type { SlotFacts } from './slot-lifecycle.ts'

/** Why an instance is in its state, for its owner: what happens, and what they can do. */
export interface Reason {
  code: string
  message: string
}

const remedies: Record<string, string> = {
  crashed: 'Look at the logs, then restart it.',
  never_ready: 'Look at the logs, then restart it.',
  out_of_memory: 'It needs more memory than it may use. Restart it, and give it less to do at once.',
  disk_full:
    'Start it and have it remove what it does not need, or ask the operator of this Reef for more disk.',
  configuration_invalid: 'Correct OpenClaw’s configuration, then restart it.',
  bad_image: 'Its software could not be started. Tell the operator of this Reef.',
  rejected: 'The machine was refused. Tell the operator of this Reef, then restart it.',
  unknown: 'Look at the logs, then restart it.',
}

export function failureReason(code: string, message: string | null): Reason {
  const remedy = remedies[code] ?? remedies.unknown
  return { code, message: message ? `${sentence(message)} ${remedy}` : `${remedy}` }
}

function sentence(text: string): string {
  const trimmed = text.trim()
  return /[.!?]$/.test(trimmed) ? trimmed : `${trimmed}.`
}

/** Why it takes longer than usual; null while all goes as it should. */
export function waitingReason(
  slot: Pick<SlotFacts, 'pending_reason' | 'queue_place' | 'attempts' | 'phase' | 'failure_message'>,
): Reason | null {
  switch (slot.pending_reason) {
    case 'no_capacity':
      return {
        code: 'no_capacity',
        message: `The machines are full. You are number ${slot.queue_place ?? 1} in the queue; it starts by itself as soon as there is room.`,
      }
    case 'throttled':
      return {
        code: 'throttled',
        message: 'The provider of machines asks for a slower pace. It is tried again by itself.',
      }
    case 'unavailable':
      return {
        code: 'compute_unavailable',
        message: 'The provider of machines does not answer. It is tried again by itself.',
      }
    case 'pulling_image':
      return { code: 'pulling_image', message: 'Its software is being downloaded to the machine.' }
  }
  if (slot.attempts > 0)
    return {
      code: 'crashed',
      message: `It stopped by itself and is being started again (attempt ${slot.attempts + 1}).`,
    }
  return null
}
