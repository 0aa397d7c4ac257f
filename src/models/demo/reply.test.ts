import { describe, expect, it } from 'vitest'
import type { DemoMessage, DemoTool } from './conversation.ts'
import { demoLabel } from './label.ts'
import { demoReply } from './reply.ts'

const context = { now: new Date('2026-11-21T11:43:00Z'), alternative: null }
const label = demoLabel(context)

function message(role: DemoMessage['role'], text: string, more: Partial<DemoMessage> = {}): DemoMessage {
  return { role, text, toolCalls: [], toolCallId: null, ...more }
}

const tools: DemoTool[] = [
  { name: 'exec', parameters: { required: ['command'], properties: { command: { type: 'string' } } } },
  {
    name: 'write',
    parameters: {
      required: ['path', 'content'],
      properties: { path: { type: 'string' }, content: { type: 'string' } },
    },
  },
  { name: 'read', parameters: { required: ['path'], properties: { path: { type: 'string' } } } },
  { name: 'ls', parameters: { properties: { path: { type: 'string' } } } },
]

/** The answer to `said` in the middle of a conversation. */
function reply(said: string, before: DemoMessage[] = [message('user', 'x'), message('assistant', 'y')]) {
  return demoReply({ messages: [...before, message('user', said)], tools }, context)
}

function textOf(answer: ReturnType<typeof reply>): string {
  if (answer.kind !== 'text') throw new Error(`not a text but ${JSON.stringify(answer)}`)
  return answer.text
}

const internal =
  '<<<BEGIN_OPENCLAW_INTERNAL_CONTEXT>>>\nActive exec sessions:\nnone\n<<<END_OPENCLAW_INTERNAL_CONTEXT>>>'
const runtime = '\n\nRuntime: agent=main | session=agent:main:openai-user:c | host=vm | os=Linux'

describe('the demo model', () => {
  it('says in its first answer what it is and what to set, and not again after that', () => {
    expect(textOf(reply('hello', []))).toContain(label)
    expect(label).toContain('OPENAI_API_KEY')
    expect(textOf(reply('hello'))).not.toContain('demo')
  })

  it('says what it is again when asked', () => {
    for (const said of ['are you real?', 'which model are you?', 'how do I add an API key?', 'who are you?'])
      expect(textOf(reply(said)), said).toContain(label)
  })

  it('names the model to choose when a provider has a key', () => {
    const answer = demoReply(
      { messages: [message('user', 'hello')], tools },
      { ...context, alternative: 'openai/gpt-6-sol' },
    )
    expect(answer).toMatchObject({ kind: 'text', text: expect.stringContaining('Choose openai/gpt-6-sol') })
  })

  it('understands what a person said through everything that OpenClaw wraps around it', () => {
    const wrapped = [
      `[Sat 2026-11-21 11:20 UTC] run ls${runtime}`,
      'Conversation info: ⟦openclaw:ctx⟧\n```json\n{"run":"rm -rf"}\n```\n\nSender: ⟦openclaw:ctx⟧\n```json\n{"name":"A"}\n```\n\n[Sat 2026-11-21 11:20 UTC] run ls',
      'System: [2026-11-21 11:20:00 UTC] Model switched.\n\nrun ls',
      `${internal}\nrun ls`,
      '[Sat 2026-11-21 11:43 UTC] [Queued user message from a previous active turn; preserved as context only. Continue with the active prompt below.]\nrun ls\n\nContinue the current task from the existing transcript, preserving completed work.',
    ]
    for (const said of wrapped)
      expect(
        demoReply({ messages: [message('user', said), message('user', internal)], tools }, context),
      ).toEqual({
        kind: 'tool',
        name: 'exec',
        input: { command: 'ls' },
      })
  })

  it('goes back to the question when OpenClaw asks for another attempt at it', () => {
    const retry =
      'The previous attempt did not produce a user-visible answer. Continue from the current state and produce the visible answer now.'
    expect(reply(retry, [message('user', 'run ls')])).toMatchObject({
      kind: 'tool',
      input: { command: 'ls' },
    })
  })

  it.each([
    ['run ls', 'ls'],
    ['please run ls -la', 'ls -la'],
    ['Run the command `cat a.txt | wc -l`.', 'cat a.txt | wc -l'],
    ['can you run git status please', 'git status'],
    ['execute ```sh\necho hi\n```', 'echo hi'],
    ['run ls and tell me what you see', 'ls'],
  ])('runs the command in: %s', (said, command) => {
    expect(reply(said)).toEqual({ kind: 'tool', name: 'exec', input: { command } })
  })

  it('does not take prose for a command', () => {
    expect(textOf(reply('run a marathon with me'))).toContain('backticks')
  })

  it.each([
    ['write a note: buy milk', 'buy milk'],
    ['write a note saying buy milk', 'buy milk'],
    ['Please make me a note that says "buy milk".', 'buy milk'],
    ['take a note to buy milk', 'buy milk'],
  ])('writes the note in: %s', (said, content) => {
    expect(reply(said)).toEqual({
      kind: 'tool',
      name: 'write',
      input: { path: 'notes/buy-milk.md', content: `${content}\n` },
    })
  })

  it('reads a named file, and the last one when it is not named', () => {
    const call = { id: 'c', name: 'write', input: { path: 'notes/a.md', content: 'a' } }
    const before = [message('user', 'x'), message('assistant', 'y', { toolCalls: [call] })]
    const input = { path: 'notes/a.md' }
    for (const said of ['read notes/a.md', 'show me the file notes/a.md', 'read the note', 'read it back'])
      expect(reply(said, before), said).toEqual({ kind: 'tool', name: 'read', input })
    expect(textOf(reply('read the room'))).toContain('beyond my script')
  })

  it('fills in a tool as its own schema says', () => {
    const other: DemoTool = {
      name: 'bash',
      parameters: {
        required: ['cmd', 'why', 'background'],
        properties: { cmd: { type: 'array' }, why: { type: 'string' }, background: { type: 'boolean' } },
      },
    }
    expect(demoReply({ messages: [message('user', 'run ls')], tools: [other] }, context)).toEqual({
      kind: 'tool',
      name: 'bash',
      input: { cmd: ['sh', '-c', 'ls'], why: 'run `ls`', background: false },
    })
  })

  it('lists files with a command where there is no tool for it', () => {
    const request = { messages: [message('user', 'list my files')], tools: tools.slice(0, 1) }
    expect(demoReply(request, context)).toEqual({ kind: 'tool', name: 'exec', input: { command: 'ls' } })
  })

  it('says what it would do where there are no tools', () => {
    const answer = demoReply({ messages: [message('user', 'run ls')], tools: [] }, context)
    expect(answer).toMatchObject({ kind: 'text', text: expect.stringContaining('no tool') })
  })

  it('answers with the result of a tool, fenced so that nothing in it can break out', () => {
    const call = { id: 'c1', name: 'exec', input: { command: 'cat x' } }
    const answer = demoReply(
      {
        messages: [
          message('user', 'run `cat x`'),
          message('assistant', '', { toolCalls: [call] }),
          message('tool', 'a\n```\nb', { toolCallId: 'c1' }),
          message('user', internal),
        ],
        tools,
      },
      context,
    )
    expect(textOf(answer)).toBe(
      `I ran \`cat x\`. It printed:\n\n\`\`\`\`\na\n\`\`\`\nb\n\`\`\`\`\n\n*${label}*`,
    )
  })

  it('says so when a tool failed', () => {
    const call = { id: 'c1', name: 'read', input: { path: 'x' } }
    const answer = reply('ignored', [])
    expect(answer.kind).toBe('text')
    const failed = demoReply(
      {
        messages: [
          message('user', 'read x.txt'),
          message('assistant', '', { toolCalls: [call] }),
          message('tool', '{"status":"error","tool":"read","error":"File not found"}', { toolCallId: 'c1' }),
        ],
        tools,
      },
      context,
    )
    expect(textOf(failed)).toContain('did not work')
    expect(textOf(failed)).toContain('File not found')
  })

  it.each([
    ['what is 12 * (3 + 4)?', '84'],
    ['12 times 12', '144'],
    ['what is 0.1 + 0.2', '0.3'],
    ['calculate 2^10 - 24', '1000'],
    ['what is 15% of 80?', '12'],
    ['what is 1,000 divided by 8?', '125'],
    ['what is -3 + 5?', '2'],
  ])('calculates: %s', (said, value) => {
    expect(textOf(reply(said))).toMatch(new RegExp(`= ${value.replace('.', '\\.')}$`))
  })

  it('does not take a date, a number or a division by zero for a calculation', () => {
    for (const said of ['2026-11-21', '42', '1/0']) expect(textOf(reply(said))).not.toContain('=')
  })

  it('tells the date in the time zone that OpenClaw gives', () => {
    const before = [message('system', 'Current date: 2026-11-21\nTime zone: Asia/Kathmandu')]
    expect(textOf(reply('what time is it?', before))).toContain('17:28 (Asia/Kathmandu) on Saturday')
    expect(textOf(reply('what day is it?'))).toContain('Saturday, 21 November 2026')
  })

  it('recalls what was said, from the conversation alone', () => {
    const before = [
      message('user', '[Sat 2026-11-21 11:20 UTC] my name is Ada'),
      message('assistant', 'Hello'),
      message('user', 'I like reefs'),
      message('assistant', 'Good'),
    ]
    expect(textOf(reply('what is my name?', before))).toContain('Ada')
    expect(textOf(reply('what did I just say?', before))).toContain('“I like reefs”')
    expect(textOf(reply('what did I say first?', before))).toContain('“my name is Ada”')
    expect(textOf(reply('summarise our conversation', before))).toContain('- I like reefs')
    expect(textOf(reply('what did I say?', []))).toContain('first thing')
  })

  it('answers small talk, and repeats the subject of what it cannot do', () => {
    for (const [said, part] of [
      ['thanks!', 'welcome'],
      ['how are you?', 'well'],
      ['bye', 'Goodbye'],
      ['help', 'run a command'],
      ['what can you do?', 'write a note'],
      ['say "good tide"', 'good tide'],
      ['summarise One. Two. Three.', '3 sentences'],
      ['tell me about whales', '“tell me about whales”'],
    ] as const)
      expect(textOf(reply(said)), said).toContain(part)
  })

  it('stays silent where OpenClaw wants silence, and writes its titles', () => {
    expect(
      textOf(reply('Check the list. If nothing needs attention, reply NO_REPLY. Do not repeat old tasks.')),
    ).toBe('NO_REPLY')
    expect(textOf(reply('Continue the OpenClaw runtime event.'))).toBe('NO_REPLY')
    const title = [message('system', 'Generate a concise session title (3-6 words) from the first message.')]
    expect(textOf(reply('how do whales sleep at night when it is cold?', title))).toBe(
      'How do whales sleep at night',
    )
  })

  it('obeys its commands', () => {
    expect(textOf(reply('/demo words 3'))).toBe('the tide comes')
    expect(reply('/demo slow 2')).toEqual({ kind: 'text', text: 'the tide', wordMilliseconds: 200 })
    expect(reply('/demo error 429')).toEqual({ kind: 'error', status: 429 })
    expect(reply('/demo tool exec {"command":"ls"}')).toEqual({
      kind: 'tool',
      name: 'exec',
      input: { command: 'ls' },
    })
    for (const wrong of ['/demo', '/demo error 200', '/demo tool exec {', '/demo nonsense'])
      expect(textOf(reply(wrong)), wrong).toContain('Try')
  })

  it('gives the same answer to the same request', () => {
    for (const said of ['hello', 'tell me something', 'run ls']) expect(reply(said)).toEqual(reply(said))
  })
})
