/**
 * Exponential backoff with jitter: between half and all of `minMs * 2^attempt`, never above `maxMs`, so that
 * many slots that lost the same control plane do not return in step.
 */
export function backoffMs(
  attempt: number,
  limits: { minMs: number; maxMs: number },
  random: () => number = Math.random,
): number {
  const ceiling = Math.min(limits.maxMs, limits.minMs * 2 ** Math.min(attempt, 30))
  return Math.round(ceiling / 2 + (ceiling / 2) * random())
}
