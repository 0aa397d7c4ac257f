/** The header lines of a request as they came, with their names in lower case beside them. Read once per request. */
export interface RequestHead {
  /** Name, value, name, value, ... */
  raw: readonly string[]
  /** One per pair of `raw`. */
  names: readonly string[]
}

export function readHead(raw: readonly string[]): RequestHead {
  const names: string[] = new Array(raw.length / 2)
  for (let index = 0; index < names.length; index++) names[index] = (raw[index * 2] as string).toLowerCase()
  return { raw, names }
}

/** The first value of a header. */
export function header(head: RequestHead, name: string): string | undefined {
  const index = head.names.indexOf(name)
  return index === -1 ? undefined : head.raw[index * 2 + 1]
}

export function isRepeated(head: RequestHead, name: string): boolean {
  const first = head.names.indexOf(name)
  return first !== -1 && head.names.indexOf(name, first + 1) !== -1
}

/** All values of a header, joined as a list; cookies are joined with a semicolon. */
export function headerList(head: RequestHead, name: string, separator = ', '): string | undefined {
  if (!isRepeated(head, name)) return header(head, name)
  return head.names
    .flatMap((candidate, index) => (candidate === name ? [head.raw[index * 2 + 1] as string] : []))
    .join(separator)
}

/** Whether a list-valued header (Connection, Upgrade) holds a token. */
export function holdsToken(value: string | undefined, token: string): boolean {
  return value?.split(',').some((part) => part.trim().toLowerCase() === token) ?? false
}
