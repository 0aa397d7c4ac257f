import { ComputeError } from '../../domain/instances/compute.ts'

export interface Candidate {
  name: string
  /** `unreachable`: it does not answer, or lacks the image. */
  state: 'active' | 'draining' | 'unreachable'
  memoryAvailableBytes: number
  /** Slots placed a moment ago, whose memory does not show yet. */
  justPlaced: number
}

/** What a slot grows to while it boots. */
const bootBytes = 1.2 * 1024 ** 3

/**
 * The host with the most memory that is really free, among those that take new slots. Pure. Throws `no_capacity` when
 * none does for want of an operator's wish, `unavailable` when those that would do not answer.
 */
export function choosePlace(candidates: Candidate[]): string {
  const free = ({ memoryAvailableBytes, justPlaced }: Candidate): number =>
    memoryAvailableBytes - justPlaced * bootBytes
  const [best] = candidates
    .filter((candidate) => candidate.state === 'active')
    .sort((a, b) => free(b) - free(a) || a.name.localeCompare(b.name))
  if (best) return best.name
  if (candidates.some((candidate) => candidate.state === 'unreachable'))
    throw new ComputeError(
      'unavailable',
      'No Docker host that takes new instances answers and has the image. See `reef doctor`.',
    )
  throw new ComputeError(
    'no_capacity',
    'Every Docker host is being drained. Add one, or let one take new instances.',
  )
}
