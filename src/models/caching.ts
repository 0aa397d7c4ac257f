type Json = Record<string, unknown>

/** Where Anthropic takes marks for its cache. */
const marked = ['system', 'tools', 'messages'] as const

/**
 * The marked parts of a request without the time for which they shall be cached, so that it is the usual five minutes: an
 * hour costs more to write than the price list says.
 */
export function withUsualCaching(body: Json): Json {
  const usual: Json = {}
  for (const name of marked) if (Array.isArray(body[name])) usual[name] = body[name].map(withoutTime)
  if (body.cache_control != null) usual.cache_control = withoutTtl(body.cache_control)
  return usual
}

/** A block or a message, with the blocks in it. */
function withoutTime(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  const block = value as Json
  const { cache_control: mark, content } = block
  if (mark == null && !Array.isArray(content)) return block
  return {
    ...block,
    ...(mark == null ? {} : { cache_control: withoutTtl(mark) }),
    ...(Array.isArray(content) ? { content: content.map(withoutTime) } : {}),
  }
}

function withoutTtl(mark: unknown): unknown {
  if (typeof mark !== 'object' || mark === null) return mark
  const { ttl: _ttl, ...rest } = mark as Json
  return rest
}
