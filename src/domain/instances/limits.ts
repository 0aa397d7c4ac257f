/** How patient the lifecycle is. Tests shorten these; operators set the patience with upgrades. */
export interface LifecycleLimits {
  /** A machine that runs for this long without OpenClaw becoming ready has failed. A cold boot takes about 20 s. */
  neverReadySeconds: number
  /** How long a machine of other software has until OpenClaw answers, before the upgrade is taken back. */
  upgradePatienceSeconds: number
  /** So many launches in a row that end by themselves are a crash loop, which waiting will not cure. */
  crashesMax: number
  /** A launch that lasted this long was no part of a crash loop: counting starts again. */
  crashWindowSeconds: number
  /** First pause after a crash; it doubles with each further one. */
  crashPauseSeconds: number
  /** Least and most time between two attempts of a call that the driver could not serve. */
  retrySecondsMin: number
  retrySecondsMax: number
  /** How often the driver looks at a machine that is on its way, and at one that runs and is linked. */
  observeMovingSeconds: number
  observeSettledSeconds: number
}

export const lifecycleLimits: LifecycleLimits = {
  neverReadySeconds: 300,
  upgradePatienceSeconds: 180,
  crashesMax: 5,
  crashWindowSeconds: 600,
  crashPauseSeconds: 1,
  retrySecondsMin: 1,
  retrySecondsMax: 30,
  observeMovingSeconds: 1,
  observeSettledSeconds: 60,
}

export function addSeconds(at: Date, seconds: number): Date {
  return new Date(at.getTime() + seconds * 1000)
}
