import { expect, it } from 'vitest'
import { createEventReader, readAnswer } from './usage.ts'

const go = (type: string, input: number, output: number, cached = 0) => ({
  type,
  input_tokens: input,
  output_tokens: output,
  cache_read_input_tokens: cached,
})
/** As Anthropic reports an answer on whose way the conversation was shortened: the totals leave that out. */
const usage = {
  ...go('', 45, 1_234, 5),
  iterations: [go('compaction', 180_000, 3_500, 1_000), go('message', 45, 1_234, 5)],
}
const all = { inputTokens: 181_050, cachedInputTokens: 1_005, outputTokens: 4_734 }

it('counts what shortening a conversation took beside the answer itself', () => {
  expect(readAnswer('messages', JSON.stringify({ type: 'message', usage })).usage).toMatchObject(all)
  const reader = createEventReader('messages')
  reader.read(`data: ${JSON.stringify({ type: 'message_start', message: { usage: go('', 40, 1, 5) } })}\n\n`)
  expect(reader.reading.usage).toMatchObject({ inputTokens: 45, outputTokens: 1 })
  reader.read(`data: ${JSON.stringify({ type: 'message_delta', usage })}\n\n`)
  expect(reader.reading).toMatchObject({ usage: all, final: true })
})

it('counts an answer of a single go once, whether that is listed or not', () => {
  const one = go('message', 100, 20, 5)
  for (const told of [
    one,
    { ...one, iterations: [] },
    { ...one, iterations: [one] },
    { ...one, iterations: null },
  ])
    expect(readAnswer('messages', JSON.stringify({ usage: told })).usage).toMatchObject({
      inputTokens: 105,
      cachedInputTokens: 5,
      cacheWriteInputTokens: null,
      outputTokens: 20,
    })
})
