import { readFile } from 'node:fs/promises'

/**
 * Runs inside OpenClaw. Gives the commands that the agent runs those secrets that their owner exposed to them, as they are
 * at that moment.
 */

// biome-ignore lint/style/noDefaultExport: OpenClaw loads the default export of a plugin.
export default {
  id: 'reef-secrets',
  name: 'Reef secrets',
  description: 'Gives exposed secrets to the commands that the agent runs.',
  register(api) {
    const { file } = api.pluginConfig ?? {}
    if (!file) return
    api.on('resolve_exec_env', async () =>
      // Without the file there are no secrets; a command is none the worse for it.
      readFile(file, 'utf8').then(JSON.parse, () => ({})),
    )
  },
}
