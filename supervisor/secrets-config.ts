import { fileURLToPath } from 'node:url'
import type { SecretPaths } from './secrets.ts'

/** References in OpenClaw's configuration read `{ source: "file", provider: "reef", id: "/NAME" }`. */
const providerAlias = 'reef'
const pluginId = 'reef-secrets'
const pluginDirectory = fileURLToPath(new URL('./secrets-plugin', import.meta.url))

type Json = null | boolean | number | string | Json[] | { [key: string]: Json | undefined }
type JsonObject = { [key: string]: Json | undefined }

/**
 * OpenClaw's configuration with the provider `reef` and the plugin that gives exposed secrets to commands. It names
 * files and never holds a value, and it is the same whoever owns the slot, so that a claim causes no reload.
 */
export function withSecrets(existing: JsonObject, paths: SecretPaths): JsonObject {
  const config = structuredClone(existing)
  const secrets = objectAt(config, 'secrets')
  objectAt(secrets, 'providers')[providerAlias] = { source: 'file', path: paths.values, mode: 'json' }
  objectAt(secrets, 'defaults').file ??= providerAlias

  const plugins = objectAt(config, 'plugins')
  const load = objectAt(plugins, 'load')
  // A restored configuration may name where the plugin lay on another machine.
  const others = Array.isArray(load.paths)
    ? load.paths.filter((path) => typeof path !== 'string' || !path.endsWith('/supervisor/secrets-plugin'))
    : []
  load.paths = [...others, pluginDirectory]
  if (Array.isArray(plugins.allow) && !plugins.allow.includes(pluginId)) plugins.allow.push(pluginId)
  objectAt(plugins, 'entries')[pluginId] = { enabled: true, config: { file: paths.exposed } }
  return config
}

function objectAt(parent: JsonObject, key: string): JsonObject {
  const value = parent[key]
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value
  const created: JsonObject = {}
  parent[key] = created
  return created
}
