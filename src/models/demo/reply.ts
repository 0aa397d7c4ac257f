import { demoCommand } from './command.ts'
import { type Conversation, type DemoRequest, readConversation } from './conversation.ts'
import { type DemoContext, demoLabel } from './label.ts'
import { smallTalk } from './small-talk.ts'
import { describeResult, fenced } from './tool-result.ts'
import { callFor, toolWish } from './tool-use.ts'

/** What the demo model does, before any protocol gives it a shape. */
export type DemoReply =
  | {
      kind: 'text'
      text: string /** Instead of the usual pace, in milliseconds per word. */
      wordMilliseconds?: number
      /** The text was to be longer. */
      cut?: boolean
    }
  | { kind: 'tool'; name: string; input: Record<string, unknown> }
  | { kind: 'error'; status: number }

/** Decides alone from what it is given: the same request at the same time has the same answer. */
export function demoReply(request: DemoRequest, context: DemoContext): DemoReply {
  const conversation = readConversation(request)
  const machine = machineReply(conversation)
  if (machine !== undefined) return { kind: 'text', text: machine }
  if (conversation.results.length > 0)
    return introduced(conversation, context, describeResult(conversation.results))
  const command = demoCommand(conversation)
  if (command) return command
  const wish = toolWish(conversation)
  const call = wish && callFor(wish, conversation.tools)
  if (call) return { kind: 'tool', ...call }
  if (wish)
    return introduced(
      conversation,
      context,
      `I would ${wish.intention}, but this conversation offers me no tool for it.`,
    )
  return introduced(conversation, context, smallTalk(conversation, context))
}

/** The first thing that is said says who says it. */
function introduced(conversation: Conversation, context: DemoContext, text: string): DemoReply {
  const label = demoLabel(context)
  return { kind: 'text', text: conversation.begun || text.includes(label) ? text : `${text}\n\n*${label}*` }
}

/** OpenClaw's own requests, which no person reads: titles, summaries, heartbeats. */
function machineReply({ system, said, saidBefore }: Conversation): string | undefined {
  if (/\bsession title\b/i.test(system) && system.length < 2000) return title(said)
  if (/context summarization assistant/i.test(system))
    return `The conversation so far:\n\n${said.slice(0, 2000)}`
  if (said === 'Continue the OpenClaw runtime event.') return 'NO_REPLY'
  const finished = /^An async command you ran earlier .*details are:\n\n([\s\S]*?)(?:\n\n|$)/.exec(said)?.[1]
  if (finished) return `What I ran in the background is done:\n\n${fenced(finished)}`
  const token = /\b(NO_REPLY|HEARTBEAT_OK)\b/.exec(said)?.[1]
  // A person who asks about the word gets an answer; a prompt that demands it is long.
  if (token && (said.length > 60 || saidBefore.length === 0)) return token
  return undefined
}

function title(said: string): string {
  const words = said.replace(/\s+/g, ' ').trim().split(' ').slice(0, 6).join(' ')
  const short = words.slice(0, 60).replace(/[\s.,:;!?]+$/, '')
  return short === '' ? 'New conversation' : short.charAt(0).toUpperCase() + short.slice(1)
}
