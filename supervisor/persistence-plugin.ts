import { fileURLToPath } from 'node:url'

/** The plugin that tells the supervisor when a turn has ended, as OpenClaw finds it. */
export const pluginId = 'reef-persistence'
export const pluginDirectory = fileURLToPath(new URL('./plugin', import.meta.url))
/** Where it calls, on the supervisor's relay. */
export const turnEndedPath = '/reef/turn-ended'
