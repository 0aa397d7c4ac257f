/** A call found in a source file: the text of each argument. */
export interface SourceCall {
  callee: string
  arguments: string[]
}

/**
 * Finds calls of the given functions in TypeScript source, without parsing all of it: enough to collect literals from
 * code that Biome has formatted. Definitions of the functions are no calls and are left out.
 */
export function findCalls(source: string, callees: string[]): SourceCall[] {
  const pattern = new RegExp(`(?<![\\w.])(?<!function )(?:new )?(${callees.join('|')})\\(`, 'g')
  return [...source.matchAll(pattern)].map((match) => ({
    callee: match[1] ?? '',
    arguments: splitTopLevel(source, match.index + match[0].length),
  }))
}

/** The members of an object literal as source text by name; undefined for anything else. */
export function readObject(text: string): Map<string, string> | undefined {
  if (!text.startsWith('{')) return undefined
  const members = splitTopLevel(text, 1).map((member): [string, string] => {
    const colon = member.indexOf(':')
    const isShorthand = !/^\w+:/.test(member)
    return isShorthand ? [member, member] : [member.slice(0, colon), member.slice(colon + 1).trim()]
  })
  return new Map(members)
}

/** The text of a string expression, with … for what is only known at run time; undefined when it holds no literal. */
export function readText(expression: string): string | undefined {
  const literals = [...expression.matchAll(/'((?:[^'\\]|\\.)*)'|`((?:[^`\\]|\\.)*)`/g)]
  if (literals.length === 0 || !/^['`]/.test(expression)) return undefined
  return literals
    .map(([, plain, template]) =>
      (plain ?? template ?? '').replaceAll(/\$\{[^}]*\}/g, '…').replaceAll(/\\(.)/g, '$1'),
    )
    .join('')
}

/** Splits at commas from `start` up to the bracket that closes what is open there. Strings and comments are skipped. */
function splitTopLevel(source: string, start: number): string[] {
  const parts: string[] = []
  let depth = 0
  let from = start
  let at = start
  const take = (): void => {
    const part = source
      .slice(from, at)
      .replaceAll(/\/\/.*$/gm, '')
      .trim()
    if (part) parts.push(part)
    from = at + 1
  }
  for (; at < source.length; at++) {
    const character = source[at] ?? ''
    if (source.startsWith('//', at)) at = source.indexOf('\n', at)
    else if (`'"\``.includes(character)) at = endOfString(source, at)
    else if ('([{'.includes(character)) depth += 1
    else if (')]}'.includes(character)) {
      if (depth === 0) {
        take()
        return parts
      }
      depth -= 1
    } else if (character === ',' && depth === 0) take()
  }
  return parts
}

function endOfString(source: string, start: number): number {
  const quote = source[start]
  let at = start + 1
  while (at < source.length && source[at] !== quote) at += source[at] === '\\' ? 2 : 1
  return at
}
