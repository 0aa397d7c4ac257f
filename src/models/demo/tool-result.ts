import type { DemoToolCall } from './conversation.ts'

const shownCharactersMax = 4000

interface Result {
  call: DemoToolCall
  output: string
}

/** Says what tools have done: a sentence and, where there is something to see, a code block. */
export function describeResult(results: Result[]): string {
  return results.map(describe).join('\n\n')
}

function describe({ call, output }: Result): string {
  const text = output.trimEnd()
  const error = failure(text)
  const path = typeof call.input.path === 'string' ? call.input.path : firstText(call.input)
  if (error !== undefined)
    return `That did not work: \`${call.name}\` answered with an error.\n\n${fenced(error)}`
  if (/^(exec|bash|shell|run|run_command|execute_command|terminal)$/i.test(call.name)) {
    const command = firstText(call.input)
    if (text.startsWith('Command still running'))
      return `\`${command}\` takes longer, so it goes on in the background.`
    return text === '' || text === '(no output)'
      ? `I ran \`${command}\`. It printed nothing.`
      : `I ran \`${command}\`. It printed:\n\n${fenced(text)}`
  }
  if (/write|create_file/i.test(call.name)) {
    const content = call.input.content
    const shown = typeof content === 'string' ? `:\n\n${fenced(content.trimEnd())}` : '.'
    return `Done. I saved it as \`${path}\`${shown}\n\nSay \`read ${path}\` to see it again.`
  }
  if (/^(read|read_file|view)$/i.test(call.name))
    return text === '' ? `\`${path}\` is empty.` : `\`${path}\` says:\n\n${fenced(text)}`
  if (/^(ls|list_files|list_directory)$/i.test(call.name))
    return text === '' ? 'There are no files here.' : `These are the files:\n\n${fenced(text)}`
  return text === '' ? `\`${call.name}\` is done.` : `\`${call.name}\` answered:\n\n${fenced(text)}`
}

/** OpenClaw's tools report errors as a JSON object with a status. */
function failure(text: string): string | undefined {
  if (!text.startsWith('{')) return undefined
  try {
    const result = JSON.parse(text) as { status?: unknown; error?: unknown }
    if (result.status !== 'error' && typeof result.error !== 'string') return undefined
    return typeof result.error === 'string' ? result.error : text
  } catch {
    return undefined
  }
}

function firstText(input: Record<string, unknown>): string {
  const value = input.command ?? Object.values(input).find((candidate) => typeof candidate === 'string')
  if (Array.isArray(value)) return String(value.at(-1))
  return typeof value === 'string' ? value : ''
}

/** A code block that holds `text` whatever is in it. */
export function fenced(text: string): string {
  const shown =
    text.length > shownCharactersMax ? `${text.slice(0, shownCharactersMax)}\n... (shortened)` : text
  // A fence must be longer than any inside it.
  const longest = Math.max(2, ...(shown.match(/`+/g) ?? []).map((run) => run.length))
  const fence = '`'.repeat(longest + 1)
  return `${fence}\n${shown}\n${fence}`
}
