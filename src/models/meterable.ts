import type { ModelProtocol } from '../domain/usage/meter.ts'
import { invalid } from '../errors.ts'

type Json = Record<string, unknown>

/** Throws for what has no price here or could cost more than is held for it, so that nobody has it for nothing. */
export function assertMeterable(body: Json, protocol: ModelProtocol): void {
  // An answer that comes later, out of sight, could not be metered.
  if (body.background === true)
    throw invalid('background', 'Background answers are not offered here. Leave "background" out.')
  // What one server takes for yes is no to another, and the usage of a stream has to be asked for.
  if (body.stream != null && typeof body.stream !== 'boolean')
    throw invalid('stream', '"stream" has to be true or false.')
  assertOwnLimits(body, protocol)
  assertPriced(body)
}

const limitsOf: Record<ModelProtocol, readonly string[]> = {
  chat_completions: ['max_completion_tokens', 'max_tokens'],
  responses: ['max_output_tokens'],
  messages: ['max_tokens'],
}
const limits = [...new Set(Object.values(limitsOf).flat())]

/** A limit that its server does not know limits nothing, and less would be held than the answer can cost. */
function assertOwnLimits(body: Json, protocol: ModelProtocol): void {
  const known = limitsOf[protocol]
  const foreign = limits.find((name) => body[name] != null && !known.includes(name))
  if (foreign) throw invalid(foreign, `"${foreign}" limits nothing here. Use "${known[0]}" instead.`)
}

/** Types of tools that the client runs itself; without a type it does too. */
const runByClient =
  /^(function|custom|namespace|tool_search|local_shell|shell|apply_patch|computer.*|bash_\d+|text_editor_\d+|memory_\d+)$/

/**
 * What a provider runs by itself: it charges for some by the use or by the hour, and reads everything again after each use
 * of any, as often as it likes.
 */
function assertPriced(body: Json): void {
  const type =
    toolTypes(body).find((name) => !runByClient.test(name)) ??
    (body.web_search_options == null ? undefined : 'web_search')
  if (type !== undefined)
    throw invalid(
      'tools',
      `The tool ${type.slice(0, 60)} runs at the provider, where nothing bounds what it costs, so it is not offered here. Use a tool of your own.`,
    )
}

function toolTypes({ tools, mcp_servers }: Json): string[] {
  const types = (Array.isArray(tools) ? tools : []).map((tool) =>
    typeof tool === 'object' && tool !== null ? ((tool as Json).type ?? 'function') : 'function',
  )
  if (Array.isArray(mcp_servers) && mcp_servers.length > 0) types.push('mcp')
  return types.map(String)
}
