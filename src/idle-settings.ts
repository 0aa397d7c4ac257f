import type { Config } from './config.ts'
import type { SleepRung } from './domain/instances/idle.ts'
import type { IdleSettings } from './domain/instances/idle-plans.ts'

const settings = {
  suspended: 'REEF_IDLE_SUSPEND',
  frozen: 'REEF_IDLE_FREEZE',
  frozen_on_disk: 'REEF_IDLE_DISK',
  stopped: 'REEF_IDLE_STOP',
  archived: 'REEF_IDLE_ARCHIVE',
  deleted: 'REEF_IDLE_DELETE',
} as const satisfies Record<SleepRung, keyof Config>

/** What the operator set of the idle times, and nothing of the rest. */
export function idleSettings(config: Pick<Config, (typeof settings)[SleepRung]>): IdleSettings {
  const given: IdleSettings = {}
  for (const [rung, key] of Object.entries(settings))
    if (config[key] !== undefined) given[rung as SleepRung] = config[key]
  return given
}
