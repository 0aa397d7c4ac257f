/**
 * Runs inside OpenClaw. It says that a turn has ended and nothing else: what is saved, and when, the supervisor decides.
 * A supervisor that does not answer never slows a conversation down.
 */
const answerMs = 2_000

// biome-ignore lint/style/noDefaultExport: OpenClaw loads the default export of a plugin.
export default {
  id: 'reef-persistence',
  name: 'Reef persistence',
  description: "Tells Reef's supervisor when a turn has ended, so that it saves the conversation.",
  register(api) {
    const { url, key } = api.pluginConfig ?? {}
    if (!url || !key) return
    api.on('agent_end', async () => {
      await fetch(url, {
        method: 'POST',
        headers: { 'x-reef-relay-token': key },
        signal: AbortSignal.timeout(answerMs),
      }).catch(() => undefined)
    })
  },
}
