import { calculate, formatNumber } from './arithmetic.ts'
import type { Conversation } from './conversation.ts'
import { type DemoContext, demoLabel } from './label.ts'

const abilities = [
  'I run on a script and not on a language model, but everything around me is real. You can ask me to:',
  '',
  '- run a command: `run ls -la`',
  '- write a note: `write a note: buy milk`, and later `read notes/buy-milk.md`',
  '- list the files',
  '- calculate: `what is 12 * (3 + 4)`',
  '- tell the date, repeat or summarise a text, or recall what you said before',
].join('\n')

type Talk = (conversation: Conversation, context: DemoContext) => string | undefined

/** Tried in order; the first that has an answer gives it. */
const talks: Talk[] = [
  sums,
  aboutReal,
  recallName,
  recall,
  summarise,
  repeat,
  date,
  whoAreYou,
  help,
  noteWithoutText,
  commandWithoutBackticks,
  thanks,
  howAreYou,
  introduction,
  goodbye,
  greeting,
]

export function smallTalk(conversation: Conversation, context: DemoContext): string {
  for (const talk of talks) {
    const answer = talk(conversation, context)
    if (answer !== undefined) return answer
  }
  return fallback(conversation)
}

function sums({ said }: Conversation): string | undefined {
  const question = said.replace(
    /^(?:please\s+)?(?:(?:and\s+)?(?:what(?:'s|’s| is| are)|how much is|calculate|compute|work out|solve))\s+/i,
    '',
  )
  const result = calculate(question)
  return result && `${result.expression} = ${formatNumber(result.value)}`
}

function aboutReal({ said }: Conversation, context: DemoContext): string | undefined {
  if (
    !/\b(demo|api[- ]?key|real (model|one|ai|llm)|(which|what) (ai |language )?model|are you (a )?(real|an? ai|human|bot|llm))\b/i.test(
      said,
    )
  )
    return undefined
  return `${demoLabel(context)} Until then I answer from a script; the tools that I use are OpenClaw's real ones, on your own instance.`
}

function nameIn(text: string): string | undefined {
  return /\b(?:my name is|my name's|call me|i am called)\s+([\p{L}][\p{L}'’-]*)/iu.exec(text)?.[1]
}

function recallName({ said, saidBefore }: Conversation): string | undefined {
  if (!/\bwhat(?:'s|’s| is) my name\b|\bwho am i\b|\bdo you (?:know|remember) my name\b/i.test(said))
    return undefined
  const name = saidBefore.map(nameIn).findLast((found) => found !== undefined)
  return name ? `Your name is ${name}; you told me so.` : 'You have not told me yet. What is your name?'
}

function recall({ said, saidBefore }: Conversation): string | undefined {
  const asks =
    /\bwhat (?:did|have) i (?:just )?(?:say|said|ask|asked|tell|told|write|written)\b|\bdo you remember\b|\bwhat were we (?:talking|speaking) about\b|\bremind me\b|\bmy (?:first|last|previous) (?:message|question)\b/i
  if (!asks.test(said)) return undefined
  if (saidBefore.length === 0) return 'This is the first thing that you have said to me here.'
  if (/\bfirst\b/i.test(said)) return `The first thing that you said was: “${excerpt(saidBefore[0])}”`
  if (saidBefore.length === 1 || /\b(just|last|previous)\b/i.test(said))
    return `Before this you said: “${excerpt(saidBefore.at(-1))}”`
  const lines = saidBefore.slice(-5).map((text) => `- ${excerpt(text)}`)
  return `Before this you said:\n\n${lines.join('\n')}`
}

function summarise({ said, saidBefore }: Conversation): string | undefined {
  const match = /^(?:please\s+|can you\s+)?(?:summari[sz]e|sum up|tl;?dr)\b[:\s]*([\s\S]*)$/i.exec(said)
  if (!match) return undefined
  const text = (match[1] ?? '').trim()
  if (text === '' || /^(?:this|our|the)\b.*\b(?:conversation|chat|talk)\b/i.test(text)) {
    if (saidBefore.length === 0) return 'We have only just begun, so there is nothing to summarise yet.'
    return `So far you said:\n\n${saidBefore
      .slice(-8)
      .map((line) => `- ${excerpt(line)}`)
      .join('\n')}`
  }
  const sentences = text.split(/(?<=[.!?])\s+/)
  const count = text.split(/\s+/).length
  const first = excerpt(sentences[0], 200)
  return sentences.length === 1
    ? `In short (${count} words): ${first}`
    : `In short (${count} words, ${sentences.length} sentences): ${first} It ends: ${excerpt(sentences.at(-1), 200)}`
}

function repeat({ said }: Conversation): string | undefined {
  const text = /^(?:please\s+|can you\s+)?(?:say|repeat|echo)(?:\s+after me)?[:,\s]+([\s\S]+)$/i.exec(
    said,
  )?.[1]
  return text?.trim().replace(/^["“']+|["”']+$/g, '')
}

function date({ said, system }: Conversation, { now }: DemoContext): string | undefined {
  const asksTime = /\bwhat(?:'s|’s| is)? (?:the )?time\b|\bwhat time is it\b/i.test(said)
  if (
    !asksTime &&
    !/\b(?:what|which)(?:'s|’s| is)?\b.*\b(?:date|day)\b|\btoday(?:'s|’s) date\b|\bwhat day is it\b/i.test(
      said,
    )
  )
    return undefined
  const timeZone = zoneOf(system)
  const day = new Intl.DateTimeFormat('en-GB', { dateStyle: 'full', timeZone }).format(now)
  if (!asksTime) return `It is ${day}.`
  const time = new Intl.DateTimeFormat('en-GB', { timeStyle: 'short', timeZone }).format(now)
  return `It is ${time} (${timeZone}) on ${day}.`
}

/** OpenClaw tells the model the person's time zone. */
function zoneOf(system: string): string {
  const named = /^Time zone: ([A-Za-z_+\-/0-9]+)$/m.exec(system)?.[1] ?? 'UTC'
  try {
    new Intl.DateTimeFormat('en-GB', { timeZone: named })
    return named
  } catch {
    return 'UTC'
  }
}

function whoAreYou({ said }: Conversation, context: DemoContext): string | undefined {
  if (!/\b(?:what|who) are you\b|\bwhat(?:'s|’s| is) your name\b|\bintroduce yourself\b/i.test(said))
    return undefined
  return `I am the assistant in your own OpenClaw, which Reef runs for you. ${demoLabel(context)}`
}

function help({ said }: Conversation): string | undefined {
  return /^(?:please\s+)?help\b|\bwhat can (?:you|i) (?:do|ask)\b|\bhow (?:does this|do you) work\b|\bhelp me\b/i.test(
    said,
  )
    ? abilities
    : undefined
}

function noteWithoutText({ said }: Conversation): string | undefined {
  return /\b(?:write|make|create|take|save|add)\b.*\bnote\b/i.test(said)
    ? 'What should the note say? For example: `write a note: buy milk`'
    : undefined
}

function commandWithoutBackticks({ said }: Conversation): string | undefined {
  return /^(?:please\s+)?(?:run|execute)\s+\S/i.test(said)
    ? 'If that is a command, put it in backticks, for example: run `make test`'
    : undefined
}

function thanks({ said }: Conversation): string | undefined {
  return /^(?:ok(?:ay)?[,.\s]+|great[,!.\s]+)?(?:many\s+)?(?:thanks|thank you|thx|cheers)\b/i.test(said)
    ? 'You are welcome. Is there anything else?'
    : undefined
}

function howAreYou({ said }: Conversation): string | undefined {
  return /\bhow (?:are you|is it going|do you do)\b|\bhow(?:'s|’s) it going\b/i.test(said)
    ? 'All is well here, and your instance is up. What would you like to try?'
    : undefined
}

function introduction({ said }: Conversation): string | undefined {
  const name = nameIn(said)
  return (
    name &&
    `Nice to meet you, ${name}. I will remember that while this conversation lasts. What shall we try?`
  )
}

function goodbye({ said }: Conversation): string | undefined {
  return /^(?:good ?bye|bye|see you|good night)\b/i.test(said)
    ? 'Goodbye. Your instance keeps this conversation until you come back.'
    : undefined
}

function greeting({ said, begun }: Conversation): string | undefined {
  if (
    !/^(?:hello|hi|hey|hiya|good (?:morning|afternoon|evening|day)|greetings|howdy|hallo|moin|hola|bonjour|salut|ciao|namaste)\b/i.test(
      said,
    )
  )
    return undefined
  return begun
    ? 'Hello again. What would you like to do?'
    : 'Hello! I am the assistant in your own OpenClaw. Ask me to `run ls`, to write a note, or what I can do.'
}

function fallback({ said, begun }: Conversation): string {
  if (said === '') return 'I am here. Say something, or ask what I can do.'
  const subject = `“${excerpt(said)}”`
  return begun
    ? `You said ${subject}. That is beyond my script. I can run commands, write and read notes, calculate, and recall what you said; ask what I can do to see examples.`
    : `You said ${subject}. I answer from a short script, so I have no opinion on that.\n\n${abilities}`
}

function excerpt(text: string | undefined, length = 120): string {
  const line = (text ?? '').replace(/\s+/g, ' ').trim()
  return line.length > length ? `${line.slice(0, length - 1)}…` : line
}
