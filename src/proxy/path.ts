import { Refusal } from './refusal.ts'

export interface SplitPath {
  path: string
  /** With its question mark, or empty. */
  query: string
}

/** Nothing decodes more often than this; a path that still changes after it was made to confuse. */
const decodingsMax = 4

/**
 * Splits a request target and refuses what another server could read as a different path: dot segments in any
 * encoding, backslashes, empty leading segments, control characters. What passes is forwarded byte for byte, so the
 * proxy and the instance cannot disagree about it. `strict` also refuses encoded slashes, for the routes where the
 * proxy itself gives meaning to a segment.
 */
export function splitPath(url: string, strict: boolean): SplitPath {
  const question = url.indexOf('?')
  const path = question === -1 ? url : url.slice(0, question)
  const query = question === -1 ? '' : url.slice(question)
  // Printable ASCII only; a fragment never belongs into a request.
  if (!/^[!-~]*$/.test(url) || url.includes('#') || path.includes('\\') || path.startsWith('//'))
    throw refusal()
  // Most paths hold neither, and are done.
  if (!path.includes('%') && !path.includes('/.')) return { path, query }

  let decoded = path
  for (let round = 0; ; round++) {
    checkSegments(decoded, strict && round > 0 ? path : undefined)
    const next = decodeOnce(decoded)
    if (next === decoded) return { path, query }
    if (round === decodingsMax) throw refusal()
    decoded = next
  }
}

function checkSegments(decoded: string, strictOriginal: string | undefined): void {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for.
  if (/[\u0000-\u001f\u007f\\]/.test(decoded)) throw refusal()
  if (strictOriginal !== undefined && slashes(decoded) !== slashes(strictOriginal)) throw refusal()
  for (const segment of decoded.split('/')) {
    // Some servers cut a path parameter (`..;a=b`) off before they resolve dots, others strip spaces around them.
    const bare = (segment.split(';', 1)[0] as string).trim()
    if (bare === '.' || bare === '..') throw refusal()
  }
}

function decodeOnce(text: string): string {
  // Overlong UTF-8 (%c0%ae, %e0%80%af) is a dot or a slash to a lenient decoder and nothing valid to any other.
  if (/%(c0|c1|e0%[89]|f0%8)/i.test(text) || /%u[0-9a-f]{4}/i.test(text)) throw refusal()
  // Full-width forms of dot and slashes, which some servers fold to ASCII.
  if (/%ef%bc%(8e|8f|bc)|%e2%80%a4|%e2%80%a5|%e2%88%95|%e2%81%84/i.test(text)) throw refusal()
  return text.replace(/%([0-7][0-9a-f])/gi, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 16)),
  )
}

function slashes(text: string): number {
  return text.split('/').length
}

function refusal(): Refusal {
  return new Refusal(
    400,
    'path_not_plain',
    'The path could be read in two ways. Send it without dot segments, backslashes, encoded slashes or control characters.',
  )
}
