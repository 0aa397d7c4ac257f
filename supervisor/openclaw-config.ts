import { relayTokenHeader } from './model-relay.ts'
import { pluginDirectory, pluginId, turnEndedPath } from './persistence-plugin.ts'
import type { Desired } from './protocol.ts'

/** Facts of this machine that belong into OpenClaw's configuration and never travel over the link. */
export interface LocalSettings {
  /** Where OpenClaw listens, on the loopback only. */
  port: number
  /** The model relay as OpenClaw reaches it, and what it must present there. */
  modelRelayUrl: string
  modelRelayToken: string
  /** The supervisor's own credential, full operator power: it never leaves the slot. */
  password: string
  workspaceDirectory: string
  logFile: string
}

type Json = null | boolean | number | string | Json[] | { [key: string]: Json | undefined }
type JsonObject = { [key: string]: Json | undefined }

/** Name of Reef's provider in OpenClaw's configuration; model ids there read `reef/PROVIDER/MODEL`. */
export const providerName = 'reef'

/**
 * Who every visitor of the Control UI is to OpenClaw, and from where. The supervisor decides who may visit (`forward.ts`
 * and `server.ts`), so that nothing here depends on the owner: a slot is claimed without a reload, which would cost the
 * first turn seconds, and a change of members disturbs nobody who is connected.
 */
export const visitorName = 'owner'
export const visitorOrigin = 'http://control-ui.reef.internal'

/**
 * OpenClaw's configuration with Reef's keys set and everything else as it was: OpenClaw itself and its owner change the
 * same file. Returns an equal object when nothing needs to change, so that the caller can leave the file alone.
 */
export function mergeConfig(existing: JsonObject, desired: Desired, local: LocalSettings): JsonObject {
  const config = structuredClone(existing)

  const gateway = objectAt(config, 'gateway')
  gateway.mode = 'local'
  gateway.bind = 'loopback'
  gateway.port = local.port
  gateway.trustedProxies = ['127.0.0.1']
  const auth = objectAt(gateway, 'auth')
  auth.mode = 'trusted-proxy'
  auth.password = local.password
  // OpenClaw refuses to start with a token beside trusted-proxy authentication.
  delete auth.token
  // Granted to the session only; a device that a visitor's browser enrolls keeps OpenClaw's own, narrower default.
  auth.identityScopes = { [visitorName]: ['operator.admin'] }
  auth.trustedProxy = {
    userHeader: 'x-reef-user',
    requiredHeaders: ['x-forwarded-proto', 'x-forwarded-host'],
    allowUsers: [visitorName],
    allowLoopback: true,
    deviceAutoApprove: { enabled: true },
  }
  objectAt(gateway, 'controlUi').allowedOrigins = [visitorOrigin]
  const endpoints = objectAt(objectAt(gateway, 'http'), 'endpoints')
  objectAt(endpoints, 'chatCompletions').enabled = true
  objectAt(endpoints, 'responses').enabled = true

  objectAt(objectAt(config, 'models'), 'providers')[providerName] = {
    baseUrl: `${local.modelRelayUrl}/v1`,
    // In a header and not as `apiKey`: see model-relay.ts.
    headers: { [relayTokenHeader]: local.modelRelayToken },
    api: 'openai-completions',
    models: desired.models.offered.map((model) => ({
      id: model.id,
      name: model.name,
      api: model.api,
      ...(model.api === 'anthropic-messages' ? { baseUrl: `${local.modelRelayUrl}/anthropic` } : {}),
      reasoning: model.reasoning,
      input: ['text'],
      // Reef meters and prices; a second price list inside the instance would only disagree with it.
      cost: { input: 0, output: 0, cacheRead: 0, cacheWrite: 0 },
      contextWindow: model.contextTokensMax,
      maxTokens: model.outputTokensMax,
    })),
  }

  const defaults = objectAt(objectAt(config, 'agents'), 'defaults')
  defaults.workspace ??= local.workspaceDirectory
  setPrimaryModel(defaults, desired)
  // Its default is one directory for all gateways of a machine.
  objectAt(config, 'logging').file = local.logFile
  setPersistencePlugin(config, local)
  return config
}

/**
 * The primary model is Reef's as long as it is unset or one of Reef's; an owner who connected a provider of their own
 * inside OpenClaw keeps that choice.
 */
function setPrimaryModel(defaults: JsonObject, desired: Desired): void {
  const prefix = `${providerName}/`
  const wanted = prefix + desired.models.primary
  const current = defaults.model
  if (typeof current === 'string') {
    if (current.startsWith(prefix)) defaults.model = { primary: wanted }
    return
  }
  const model = objectAt(defaults, 'model')
  if (typeof model.primary !== 'string' || model.primary.startsWith(prefix)) model.primary = wanted
}

/** Beside the owner's own plugins. A restored configuration may name where the plugin lay on another machine. */
function setPersistencePlugin(config: JsonObject, local: LocalSettings): void {
  const plugins = objectAt(config, 'plugins')
  const load = objectAt(plugins, 'load')
  const others = Array.isArray(load.paths)
    ? load.paths.filter((path) => typeof path !== 'string' || !path.endsWith('/supervisor/plugin'))
    : []
  load.paths = [...others, pluginDirectory]
  if (Array.isArray(plugins.allow) && !plugins.allow.includes(pluginId)) plugins.allow.push(pluginId)
  objectAt(plugins, 'entries')[pluginId] = {
    enabled: true,
    // It is told that a turn has ended, and is not told what was said unless it may be.
    hooks: { allowConversationAccess: true },
    config: { url: local.modelRelayUrl + turnEndedPath, key: local.modelRelayToken },
  }
}

/** The object under `key`, made if there is none or something else is in its place. */
function objectAt(parent: JsonObject, key: string): JsonObject {
  const value = parent[key]
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value
  const created: JsonObject = {}
  parent[key] = created
  return created
}
