import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'

/**
 * Stands for a provider: streams a chat completion of `x-words` words, `x-pause` milliseconds apart, the first at once,
 * and reports what it used. `GET /used` tells how many tokens it has reported in all.
 */
let used = 0
const server = createServer(async (request, response) => {
  if (request.method === 'GET') {
    response.end(String(used))
    return
  }
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk)
  const body = JSON.parse(Buffer.concat(chunks).toString())
  const [, words = '1', pause = '0'] = /words=(\d+) pause=(\d+)/.exec(body.user ?? '') ?? []
  const head = { id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1, model: body.model }
  const send = (value: unknown): void => {
    response.write(`data: ${JSON.stringify(value)}\n\n`)
  }
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  for (let word = 0; word < Number(words); word++) {
    if (word > 0) await delay(Number(pause))
    if (response.destroyed) return
    // The time at which it was sent lets the reader see how long it was on its way.
    const content = `${performance.timeOrigin + performance.now()} `
    send({ ...head, choices: [{ index: 0, delta: { content }, finish_reason: null }], usage: null })
  }
  const tokens = Number(words)
  used += tokens
  const usage = { prompt_tokens: 15_000, completion_tokens: tokens, total_tokens: 15_000 + tokens }
  send({ ...head, choices: [{ index: 0, delta: {}, finish_reason: 'stop' }], usage: null })
  send({ ...head, choices: [], usage })
  response.end('data: [DONE]\n\n')
})
server.listen(0, '127.0.0.1', () => console.log(`listening ${(server.address() as AddressInfo).port}`))
