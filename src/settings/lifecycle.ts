import { z } from 'zod'
import { flag, idle } from './kinds.ts'

/** The pool, upgrades, and when an instance sleeps, stops or is let go. */
export const lifecycleSettings = {
  POOL_SIZE: z.coerce
    .number()
    .int()
    .min(0)
    .max(1000)
    .default(1)
    .describe('Slots kept booted for the next person.'),
  REEF_UPGRADE_PATIENCE_SECONDS: z.coerce
    .number()
    .int()
    .min(10)
    .max(3600)
    .default(180)
    .describe('An upgraded instance that does not answer within this goes back to what it was by itself.'),
  REEF_IDLE_SUSPEND: idle('Suspends an instance that nobody has used for this long. Default 2m'),
  REEF_IDLE_FREEZE: idle('Moves a suspended instance’s memory out of RAM. Default 10m'),
  REEF_IDLE_DISK: idle('Moves that memory on to disk, where the host can. Default 2h'),
  REEF_IDLE_STOP: idle(
    'Stops an instance that nobody has used for this long; it wakes by a boot. Default 3d',
  ),
  REEF_IDLE_ARCHIVE: idle('Removes its machine and keeps its backup, where there is one. Default 30d'),
  REEF_IDLE_DELETE: idle('Deletes it for good. Default off'),
  REEF_LOCAL_OPENCLAW: z
    .url()
    .optional()
    .describe(
      'An OpenClaw that already runs, for example http://127.0.0.1:18789: used instead of instances.',
    ),
  REEF_LOCAL_OPENCLAW_TOKEN: z.string().optional().describe('Gateway token of REEF_LOCAL_OPENCLAW.'),
  REEF_STOP_INSTANCES_ON_EXIT: flag('1').describe(
    'With the private database: stop instances when Reef is told to stop (0: leave them running and adopt them at the next start).',
  ),
  LEASE_SECONDS: z.coerce
    .number()
    .int()
    .min(10)
    .max(86_400)
    .default(900)
    .describe('An instance that cannot reach a control plane for this long stops itself.'),
}
