import type { Conversation, DemoTool } from './conversation.ts'

/** Something to do with a tool that a person asked for. */
export interface ToolWish {
  /** Names under which tools of this kind are known, the likeliest first. */
  names: string[]
  /** What the tool must be told, by the names that its input may use. */
  input: { names: string[]; value: string }[]
  /** In words, as in "I would `ls`": for conversations without such a tool. */
  intention: string
}

const pathNames = ['path', 'file_path', 'filePath', 'filename', 'file']

function runCommand(command: string): ToolWish {
  return {
    names: ['exec', 'bash', 'shell', 'run', 'run_command', 'execute_command', 'terminal'],
    input: [{ names: ['command', 'cmd', 'script', 'input'], value: command }],
    intention: `run \`${command}\``,
  }
}

function writeFile(path: string, content: string): ToolWish {
  return {
    names: ['write', 'write_file', 'create_file'],
    input: [
      { names: pathNames, value: path },
      { names: ['content', 'contents', 'text', 'data'], value: content },
    ],
    intention: `write \`${path}\``,
  }
}

function readFile(path: string): ToolWish {
  return {
    names: ['read', 'read_file', 'view'],
    input: [{ names: pathNames, value: path }],
    intention: `read \`${path}\``,
  }
}

const listFiles: ToolWish = {
  names: ['ls', 'list_files', 'list_directory'],
  input: [],
  intention: 'list the files',
}

const polite = String.raw`^(?:(?:please|now|then|and|hey|ok|okay|could you|can you|would you|will you)[,\s]+)*`
const patterns = {
  run: new RegExp(
    `${polite}(?:run|execute)\\s+(?:the\\s+)?(?:command\\s+|shell command\\s+)?([\\s\\S]+)$`,
    'i',
  ),
  note: new RegExp(
    `${polite}(?:write|make|create|take|save|add|leave)\\s+(?:me\\s+)?(?:a|an|the)?\\s*(?:quick\\s+|short\\s+)?note\\b\\s*` +
      '(?::|,)?\\s*(?:(?:saying|that says|which says|with|about|to)\\b\\s*)?(?:that\\s+)?:?\\s*([\\s\\S]*)$',
    'i',
  ),
  read: new RegExp(
    `${polite}(?:read|open|show(?:\\s+me)?|print|cat)\\s+(?:me\\s+)?(?:the\\s+)?(?:file\\s+)?([\\s\\S]+)$`,
    'i',
  ),
  list: new RegExp(
    `${polite}(?:list|show(?:\\s+me)?|what are|which are)\\s+(?:me\\s+)?(?:all\\s+)?(?:the\\s+|my\\s+|your\\s+)?(?:files|notes|folder|directory|workspace)\\b|^(?:what|which) files\\b`,
    'i',
  ),
}

/** Commands that one may name without backticks; anything else might be prose, as in "run a marathon". */
const plainCommands =
  /^(ls|pwd|cat|echo|date|whoami|uname|df|du|ps|git|node|npm|npx|python3?|head|tail|wc|grep|find|uptime|id|hostname|sleep|mkdir|touch|curl|which|true|false|sh|bash|tree|free|env|printf|seq|sort|stat|rm|cp|mv|openclaw|\.{0,2}\/\S+)(\s|$)/

/** The tool that the person's words ask for, if any. */
export function toolWish({ said, files }: Pick<Conversation, 'said' | 'files'>): ToolWish | undefined {
  const command = commandOf(patterns.run.exec(said)?.[1])
  if (command) return runCommand(command)
  const note = patterns.note.exec(said)
  if (note) {
    const text = unquoted(note[1] ?? '')
    return text === '' ? undefined : writeFile(`notes/${slug(text)}.md`, `${text}\n`)
  }
  if (patterns.list.test(said)) return listFiles
  const read = unquoted(patterns.read.exec(said)?.[1] ?? '')
  if (/^\S+$/.test(read) && /[./]/.test(read)) return readFile(read)
  const last = files.at(-1)
  if (/^(?:it\b.*|(?:(?:the|my|that|this|last)\s+)*(?:note|file)\b.*)$/i.test(read) && last)
    return readFile(last)
  return undefined
}

function commandOf(text: string | undefined): string | undefined {
  if (!text) return undefined
  const quoted = /^[^`]*`{1,3}(?:\w*\n)?([^`]+)`{1,3}/.exec(text)?.[1]?.trim()
  if (quoted) return quoted
  const plain = unquoted(text)
  if (!plainCommands.test(plain)) return undefined
  // "run ls please" and "run ls and tell me what you see" are asked of the assistant, not of the shell.
  return plain.replace(
    /,?\s+(?:please|for me|and (?:tell|show|explain|give|let)\b.*|in the (?:shell|terminal|workspace))$/i,
    '',
  )
}

function unquoted(text: string): string {
  return text
    .trim()
    .replace(/^["'`“]+|["'`”]+(?=[.!?]*$)/g, '')
    .replace(/(?<=[\p{L}\p{N}"'`)])[.!?]+$/u, '')
    .trim()
}

function slug(text: string): string {
  const words = text
    .toLowerCase()
    .normalize('NFKD')
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .split('-')
    .slice(0, 6)
  return words.join('-').slice(0, 48) || 'note'
}

/** The request's own tool for a wish, with its input filled in as its schema says. */
export function callFor(
  wish: ToolWish,
  tools: DemoTool[],
): { name: string; input: Record<string, unknown> } | undefined {
  for (const name of wish.names) {
    const tool = tools.find((candidate) => candidate.name.toLowerCase() === name)
    if (tool) return { name: tool.name, input: fill(tool, wish) }
  }
  // Listing is also a command.
  return wish === listFiles ? callFor(runCommand('ls'), tools) : undefined
}

function fill(tool: DemoTool, wish: ToolWish): Record<string, unknown> {
  const properties = (tool.parameters.properties ?? {}) as Record<string, { type?: unknown }>
  const input: Record<string, unknown> = {}
  for (const { names, value } of wish.input) {
    const name = names.find((candidate) => candidate in properties) ?? names[0] ?? 'input'
    input[name] = properties[name]?.type === 'array' ? ['sh', '-c', value] : value
  }
  const required = Array.isArray(tool.parameters.required) ? (tool.parameters.required as string[]) : []
  for (const name of required) input[name] ??= emptyValue(properties[name]?.type, wish.intention)
  return input
}

function emptyValue(type: unknown, text: string): unknown {
  if (type === 'boolean') return false
  if (type === 'number' || type === 'integer') return 0
  if (type === 'array') return []
  if (type === 'object') return {}
  return text
}
