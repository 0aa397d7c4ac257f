import { createInterface, type Interface } from 'node:readline/promises'
import { styleText } from 'node:util'
import type { Command } from 'commander'
import { type Choice, type ConversationClient, formatTool, openConversation } from '../chat/conversation.ts'
import { addRemoteOptions, openClient, type RemoteOptions } from '../context.ts'
import { CliError } from '../failure.ts'
import { printJson } from '../output.ts'
import { createStepDisplay } from '../steps.ts'

interface ChatOptions extends RemoteOptions {
  conversation?: string
  continue?: boolean
}

export function addChatCommand(program: Command): void {
  addRemoteOptions(program.command('chat'))
    .description('Talk to your OpenClaw; it is launched if it does not run.')
    .argument('[message...]', 'one message, - for standard input; without it, a conversation until you leave')
    .option('--conversation <id>', 'go on with this conversation')
    .option('--continue', 'go on with the latest conversation')
    .addHelpText(
      'after',
      `
Ctrl-C stops an answer; at the prompt it leaves, as do Ctrl-D and /exit. /new starts a new conversation.
Other commands with a slash are OpenClaw's own.

Examples:
  reef chat
  reef chat "hello"
  git diff | reef chat "review this:" -
  reef chat --continue --json "and in one line?"`,
    )
    .action(chat)
}

async function chat(words: string[], options: ChatOptions): Promise<void> {
  const message = await readMessage(words)
  const client = await openClient(options)
  const choice: Choice = options.conversation
    ? { id: options.conversation }
    : options.continue
      ? 'latest'
      : 'new'
  // Steps go to standard error: standard output is the answer.
  const display = options.json ? undefined : createStepDisplay(process.stderr)
  const open = (which: Choice) => openConversation(client, which, display)
  const conversation = await open(choice)
  if (message) return options.json ? answerAsJson(conversation, message) : answerOnce(conversation, message)
  await converse(conversation, () => open('new'))
}

async function answerOnce(conversation: ConversationClient, message: string): Promise<void> {
  const stopped = await printAnswer(conversation, message)
  if (stopped) throw new CliError('interrupted', 'Stopped.')
}

async function answerAsJson(client: ConversationClient, message: string): Promise<void> {
  let text = ''
  const tools = new Map<string, unknown>()
  for await (const event of client.send(message)) {
    if (event.type === 'text') text += event.delta
    else if (event.type === 'tool') tools.set(event.tool.id, event.tool)
  }
  printJson({ conversationId: client.conversation.id, text, tools: [...tools.values()] })
}

async function converse(
  first: ConversationClient,
  startNew: () => Promise<ConversationClient>,
): Promise<void> {
  let conversation = first
  const terminal = createInterface({ input: process.stdin, output: process.stdout })
  try {
    for (;;) {
      const line = await ask(terminal)
      if (line === undefined || line === '/exit') break
      if (line === '/new') {
        conversation = await startNew()
        console.log(styleText('dim', 'A new conversation.'))
      } else if (line) await printAnswer(conversation, line, terminal).catch(printFailure)
    }
  } finally {
    terminal.close()
  }
  console.log(
    styleText('dim', `\nTo go on with it: reef chat --conversation ${conversation.conversation.id}`),
  )
}

/** Undefined when the person leaves with Ctrl-C or Ctrl-D. */
async function ask(terminal: Interface): Promise<string | undefined> {
  const leave = new AbortController()
  const onLeave = () => leave.abort()
  terminal.once('SIGINT', onLeave).once('close', onLeave)
  try {
    return (await terminal.question(styleText('cyan', '> '), { signal: leave.signal })).trim()
  } catch (error) {
    if (leave.signal.aborted) return undefined
    throw error
  } finally {
    terminal.off('SIGINT', onLeave).off('close', onLeave)
  }
}

/** Prints an answer as it comes. Ctrl-C stops it, a second one leaves at once. Resolves with whether it was stopped. */
async function printAnswer(
  conversation: ConversationClient,
  message: string,
  terminal?: Interface,
): Promise<boolean> {
  let interrupted = false
  const onInterrupt = () => {
    if (interrupted) process.exit(130)
    interrupted = true
    conversation.stop().catch(printFailure)
  }
  // While a line editor holds the terminal, it is the one that sees Ctrl-C.
  const source: NodeJS.EventEmitter = terminal ?? process
  source.on('SIGINT', onInterrupt)
  const shownTools = new Map<string, boolean>()
  const patience = showPatience()
  let stopped = false
  try {
    for await (const event of conversation.send(message)) {
      if (event.type !== 'started') patience.end()
      if (event.type === 'text') process.stdout.write(event.delta)
      else if (event.type === 'tool') {
        const finished = event.tool.output !== null
        // Tools are news for the person at the terminal and no part of the answer.
        if (shownTools.get(event.tool.id) !== finished)
          process.stderr.write(`${styleText('dim', formatTool(event.tool), { stream: process.stderr })}\n`)
        shownTools.set(event.tool.id, finished)
      } else if (event.type === 'done') stopped = event.stopped
    }
  } finally {
    source.off('SIGINT', onInterrupt)
    patience.end()
    process.stdout.write('\n')
  }
  return stopped || interrupted
}

/** On a terminal, something to look at until the answer begins. */
function showPatience(): { end(): void } {
  let shown = process.stdout.isTTY
  if (shown) process.stdout.write(styleText('dim', '…'))
  return {
    end: () => {
      if (shown) process.stdout.write('\r\u001b[K')
      shown = false
    },
  }
}

/** In a conversation a failed turn is told and the conversation goes on. */
function printFailure(error: unknown): void {
  if (!(error instanceof CliError)) throw error
  console.error(styleText('red', error.message, { stream: process.stderr }))
}

/** Empty when the person wants a conversation. Standard input is read only when asked for: it may never end. */
async function readMessage(words: string[]): Promise<string> {
  const wantsInput = words.at(-1) === '-' || (words.length === 0 && !process.stdin.isTTY)
  if (!wantsInput) return words.join(' ')
  let input = ''
  for await (const chunk of process.stdin.setEncoding('utf8')) input += chunk
  if (!input.trim()) throw new CliError('usage', 'No message came on standard input.')
  return [words.slice(0, -1).join(' '), input.trim()].filter(Boolean).join('\n\n')
}
