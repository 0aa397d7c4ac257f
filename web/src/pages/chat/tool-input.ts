/** Keys whose value says best what a call does. */
const tellingKeys = ['command', 'cmd', 'path', 'file_path', 'query', 'url', 'name']

/** One line that says what a tool was asked to do. */
export function inputSummary(input: string): string {
  const parsed = parseObject(input)
  if (!parsed) return oneLine(input)
  for (const key of tellingKeys) {
    const value = parsed[key]
    if (typeof value === 'string' && value) return oneLine(value)
  }
  const first = Object.values(parsed).find((value) => typeof value === 'string' && value)
  return typeof first === 'string' ? oneLine(first) : ''
}

export function prettyInput(input: string): string {
  const parsed = parseObject(input)
  return parsed ? JSON.stringify(parsed, null, 2) : input
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined
  } catch {
    // Not every tool takes JSON.
    return undefined
  }
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, ' ').trim().slice(0, 200)
}
