import type { Instance } from '../../api/types.ts'

interface HeldWords {
  title: string
  lead: string
  button: string
}

/** For an instance that its owner wants to run and that may not; undefined for every other. */
export function heldWords(
  instance: Pick<Instance, 'status' | 'desiredState' | 'reason'> | null,
): HeldWords | undefined {
  if (instance?.desiredState !== 'running' || !['stopped', 'stopping'].includes(instance.status))
    return undefined
  switch (instance.reason?.code) {
    case 'credits_exhausted':
      return { title: 'There are not enough credits', lead: instance.reason.message, button: 'Get credits' }
    case 'budget_exhausted':
      return { title: 'A budget is spent', lead: instance.reason.message, button: 'Look at credits' }
    default:
      return undefined
  }
}
