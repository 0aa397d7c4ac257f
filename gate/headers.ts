/** Of one connection only (RFC 9110, section 7.6.1), and what a proxy is told rather than the server behind it. */
const hopByHop = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/** What the next server gets of some raw headers: name, value, ...; without those of this connection and those in `also`. */
export function passedHeaders(
  rawHeaders: readonly string[],
  also: ReadonlySet<string> = new Set(),
): string[] {
  const named = new Set(
    valuesOf(rawHeaders, 'connection')
      .flatMap((value) => value.split(','))
      .map((name) => name.trim().toLowerCase()),
  )
  const passed: string[] = []
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = (rawHeaders[index] as string).toLowerCase()
    if (!hopByHop.has(name) && !named.has(name) && !also.has(name))
      passed.push(rawHeaders[index] as string, rawHeaders[index + 1] as string)
  }
  return passed
}

export function valuesOf(rawHeaders: readonly string[], name: string): string[] {
  const values: string[] = []
  for (let index = 0; index < rawHeaders.length; index += 2)
    if ((rawHeaders[index] as string).toLowerCase() === name) values.push(rawHeaders[index + 1] as string)
  return values
}
