/**
 * Where the servers of messaging services, and whoever holds a hook's token, call an instance at its own address without
 * being a visitor. Exactly OpenClaw's own paths (its documentation: channels, gateway/config-hooks, plugins/webhooks),
 * and further accounts of a channel below them; OpenClaw checks each call's signature or token itself. A channel whose
 * `webhookPath` was set to something else is not reached.
 */
const webhookPaths =
  /^\/(slack\/events|googlechat|line\/webhook|webhooks\/sms|webhook\/synology|zalo\/webhook|telegram-webhook|api\/messages|feishu\/events|nextcloud-talk-webhook|hooks|plugins\/webhooks)(\/[A-Za-z0-9_-][A-Za-z0-9._~-]*)*$/

/** Only what services send: a page that a browser shows is never one. */
export function isWebhook(method: string | undefined, path: string): boolean {
  return method === 'POST' && webhookPaths.test(path.split('?', 1)[0] as string)
}
