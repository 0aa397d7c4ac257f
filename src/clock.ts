/** Time as a dependency, so that tests and simulations decide what "now" is. */
export interface Clock {
  now(): Date
}

export const systemClock: Clock = { now: () => new Date() }

/** The earlier of two times, of which either may never come. */
export function earlier<T extends Date | number>(one: T | null, other: T | null): T | null {
  if (one === null || other === null) return one ?? other
  return one < other ? one : other
}
