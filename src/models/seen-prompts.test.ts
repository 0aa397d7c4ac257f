import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { ModelProtocol } from '../domain/usage/meter.ts'
import { createSeenPrompts, type SeenPrompts } from './seen-prompts.ts'

type Json = Record<string, unknown>

const organizationId = 'one'
const reader = (protocol: ModelProtocol = 'chat_completions') => ({
  organizationId,
  modelId: 'openai/gpt-test',
  protocol,
})
const find = (seen: SeenPrompts, body: Json, protocol?: ModelProtocol) => seen.find(body, reader(protocol))
const boundOf = (seen: SeenPrompts, body: Json, protocol?: ModelProtocol) =>
  find(seen, body, protocol)?.inputTokensMax
const learn = (seen: SeenPrompts, body: Json, tokens: number, protocol?: ModelProtocol) =>
  find(seen, body, protocol)?.learn(tokens)

const system = { role: 'system', content: 'You are a helper. '.repeat(1000) }
const user = (content: unknown) => ({ role: 'user', content })
const said = (content: unknown) => ({ role: 'assistant', content })
const tools = [{ type: 'function', function: { name: 'read', parameters: { type: 'object' } } }]
const first = { model: 'x', tools, messages: [system, user('My name is Ada.')] }
const bytesOf = (value: unknown) => Buffer.byteLength(JSON.stringify(value))
/** What is added where two parts meet. */
const seam = 200

describe('what was reported of a prompt', () => {
  it('bounds the next one of the conversation, of which only what is new counts by its bytes', () => {
    const seen = createSeenPrompts()
    expect(boundOf(seen, first)).toBeUndefined()
    expect(learn(seen, first, 4_000)).toBe(true)
    const added = [said('Hello Ada.'), user('What is my name?')]
    const next = { ...first, messages: [...first.messages, ...added] }
    expect(boundOf(seen, next)).toBe(4_000 + bytesOf(added[0]) + bytesOf(added[1]) + seam)
    expect(boundOf(seen, first)).toBe(4_000 + seam)
    // What another protocol calls the conversation may be read too.
    expect(boundOf(seen, { ...first, input: 'x'.repeat(9_000) })).toBeGreaterThan(4_000 + 9_000)
  })

  it('bounds another conversation with the same tools and instructions, by the least that was reported', () => {
    const seen = createSeenPrompts()
    learn(seen, { ...first, messages: [system, user('x'.repeat(9_000))] }, 7_000)
    learn(seen, first, 4_000)
    const other = user('Somebody else.')
    expect(boundOf(seen, { ...first, messages: [system, other] })).toBe(4_000 + bytesOf(other) + seam)
  })

  it('bounds a conversation whose last message is replaced', () => {
    const seen = createSeenPrompts()
    const note = user('Context of this turn.')
    learn(seen, { ...first, messages: [...first.messages, note] }, 4_000)
    const next = { ...first, messages: [...first.messages, said('Hello.')] }
    expect(boundOf(seen, next)).toBe(4_000 + bytesOf(said('Hello.')) + seam)
  })

  it('bounds a conversation whose long instructions end otherwise, as with the next day', () => {
    const seen = createSeenPrompts()
    const lines = Array.from({ length: 1_000 }, (_, line) => `Line ${line} of the instructions.`).join('\n')
    const on = (day: string) => ({ role: 'system', content: `${lines}\nToday is ${day}.` })
    learn(seen, { ...first, messages: [on('Friday'), user('Hello')] }, 8_000)
    const next = boundOf(seen, { ...first, messages: [on('Saturday'), user('Hello')] })
    expect(next).toBeLessThan(8_000 + 4_200 + 500)
    const anthropic = (day: string) => ({
      system: [{ type: 'text', text: on(day).content }],
      messages: [user('Hello')],
    })
    learn(seen, anthropic('Friday'), 8_000, 'messages')
    expect(boundOf(seen, anthropic('Saturday'), 'messages')).toBeLessThan(8_000 + 4_200 + 500)
  })

  it('says nothing for other instructions, tools, settings, models, organizations or beta features', () => {
    const seen = createSeenPrompts()
    learn(seen, first, 4_000)
    for (const other of [
      {
        ...first,
        messages: [{ ...system, content: 'Somebody else. '.repeat(1_000) }, ...first.messages.slice(1)],
      },
      { ...first, tools: [] },
      { ...first, reasoning_effort: 'high' },
    ])
      expect(boundOf(seen, other) ?? Number.POSITIVE_INFINITY).toBeGreaterThan(10_000)
    for (const other of [{ organizationId: 'two' }, { modelId: 'openai/other' }, { variant: 'beta' }])
      expect(seen.find(first, { ...reader(), ...other })?.inputTokensMax).toBeUndefined()
    const same = { ...first, max_tokens: 5, stream: true, user: 'me', metadata: {}, temperature: 1 }
    expect(boundOf(seen, same)).toBe(4_000 + seam)
  })

  it('is the same wherever Anthropic’s marks for its cache lie, each of which counts by its bytes', () => {
    const seen = createSeenPrompts()
    const marked = (text: string) => ({ type: 'text', text, cache_control: { type: 'ephemeral' } })
    const plain = (text: string) => ({ type: 'text', text })
    const before = { system: [marked('y'.repeat(8_000))], messages: [user([marked('One')])] }
    learn(seen, before, 2_000, 'messages')
    const after = { ...before, messages: [user([plain('One')]), said('Two'), user([marked('Three')])] }
    const mark = bytesOf(marked('')) - bytesOf(plain(''))
    const added = bytesOf(after.messages[1]) + bytesOf(after.messages[2])
    // A message with one text reads the same with and without a block around it.
    const block = bytesOf(user([plain('')])) - bytesOf(user(''))
    expect(boundOf(seen, after, 'messages')).toBe(2_000 + added + mark + block + seam)
    const unblocked = { ...before, messages: [user('One'), ...after.messages.slice(1)] }
    expect(boundOf(seen, unblocked, 'messages')).toBe(2_000 + added + mark + seam)
    const named = { ...before, messages: [user([{ ...plain('One'), name: 'x' }])] }
    expect(boundOf(seen, named, 'messages')).toBeGreaterThan(2_000 + mark + seam)
    for (const stuffing of [{ type: 'x'.repeat(5_000) }, { type: { type: 'x'.repeat(5_000) } }]) {
      const stuffed = { ...plain('One'), cache_control: stuffing }
      expect(boundOf(seen, { ...before, messages: [user([stuffed])] }, 'messages')).toBeGreaterThan(7_000)
    }
  })

  it('does not settle what may be another picture today, nor thoughts that may not have been read', () => {
    const seen = createSeenPrompts()
    const picture = user([{ type: 'image_url', image_url: { url: 'https://x/y.png' } }])
    const thought = { ...said([{ type: 'thinking', thinking: 'z'.repeat(3_000) }]) }
    const messages = [picture, thought, user('Next')]
    learn(seen, { messages }, 4_000, 'messages')
    const other = { messages: [picture, thought, user('Else')] }
    expect(boundOf(seen, other, 'messages')).toBeGreaterThan(4_000 + 10_000 + 3_000)
    // Once the person has spoken again, it is clear whether they are.
    learn(seen, { messages: [...messages, user('Note')] }, 4_010, 'messages')
    const on = { messages: [...messages, said('On.')] }
    expect(boundOf(seen, on, 'messages')).toBeLessThan(4_010 + 10_000 + 500)
  })

  it('is not used where a provider leaves out of a prompt what it likes', () => {
    const seen = createSeenPrompts()
    expect(find(seen, { ...first, context_management: {} })).toBeUndefined()
    expect(find(seen, { input: 'x', truncation: 'auto' }, 'responses')).toBeUndefined()
  })

  it('is not believed when it cannot be all of the prompt, nor ever again once it was passed', () => {
    const seen = createSeenPrompts()
    learn(seen, first, 100)
    expect(boundOf(seen, first)).toBeUndefined()
    learn(seen, first, 4_000)
    expect(learn(seen, first, 4_000 + seam)).toBe(true)
    expect(learn(seen, first, 4_000 + seam + 1)).toBe(false)
    expect(find(seen, first)).toBeUndefined()
    expect(seen.find(first, { ...reader(), modelId: 'openai/other' })).toBeDefined()
  })

  it('is forgotten when much else was used since', () => {
    const seen = createSeenPrompts({ entriesMax: 20 })
    learn(seen, first, 4_000)
    for (let other = 0; other < 20; other++) {
      learn(seen, { messages: [user(`${other}`)] }, 10)
      expect(boundOf(seen, first)).toBeDefined()
    }
    for (let other = 0; other < 20; other++) learn(seen, { messages: [user(`${other} again`)] }, 10)
    // All but what every prompt begins with.
    expect(boundOf(seen, first)).toBeGreaterThan(18_000)
  })
})

/** Adds up, but for runs of one letter, of which up to eight are one token, also across the seams of messages. */
function countTokens(body: { tools: string[]; messages: { role: string; content: string }[] }): number {
  const text = [...body.tools, ...body.messages.map(({ role, content }) => role + content)].join('')
  const runs = text.match(/(.)\1{0,7}/gs) ?? []
  return runs.length + 3 * body.messages.length + 20
}

const words = fc.string({ unit: fc.constantFrom('a', 'b', ' ', '€'), minLength: 1, maxLength: 60 })
const message = fc.record({ role: fc.constantFrom('user', 'assistant', 'system'), content: words })
/** Each call goes on from an earlier one: from as many of its messages, with so many more. */
const step = fc.record({
  from: fc.nat(),
  keeps: fc.nat(),
  adds: fc.array(message, { minLength: 1, maxLength: 4 }),
  tools: fc.constantFrom<string[][]>([], ['read'], ['read', 'write']),
})

it('a bound is never passed by any prompt of any tree of conversations, and is close where they go on', () => {
  let hits = 0
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const seen = createSeenPrompts()
      const calls: { tools: string[]; messages: { role: string; content: string }[] }[] = []
      for (const { from, keeps, adds, tools } of steps) {
        const before = calls[from % Math.max(1, calls.length)]?.messages ?? []
        const body = { tools, messages: [...before.slice(0, keeps % (before.length + 1)), ...adds] }
        const tokens = countTokens(body)
        const prompt = find(seen, body)
        expect(tokens).toBeLessThanOrEqual(prompt?.inputTokensMax ?? Number.POSITIVE_INFINITY)
        if (prompt?.inputTokensMax !== undefined) hits += 1
        expect(prompt?.learn(tokens)).toBe(true)
        calls.push(body)
      }
    }),
    { numRuns: 500 },
  )
  expect(hits).toBeGreaterThan(1_000)
})
