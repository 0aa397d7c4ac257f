/** What everything of one Reef is called and marked with on a Docker host. */
export const labels = {
  /** Whose it is. */
  reef: 'reef.id',
  slot: 'reef.slot',
  /** What a container was made of: the slot's `specVersion`, or a hash for the gate. */
  spec: 'reef.spec',
  /** `outer` or `gate`, on what serves all slots of a host. */
  role: 'reef.role',
} as const

/** Labels that an image carries; see deploy/docker/Dockerfile. */
export const imageLabels = {
  openclaw: 'reef.openclaw.version',
  supervisor: 'reef.supervisor.version',
} as const

export interface Names {
  /** Container, network and volume of a slot alike: each kind has names of its own. */
  slot(slotId: string): string
  gate: string
  outer: string
  /** Filter for everything of this Reef. */
  own: string[]
}

export function namesOf(reefId: string): Names {
  return {
    slot: (slotId) => `reef-${reefId}-${slotId}`,
    gate: `reef-${reefId}-gate`,
    outer: `reef-${reefId}-outer`,
    own: [`${labels.reef}=${reefId}`],
  }
}
