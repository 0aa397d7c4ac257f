import { closeSync, existsSync, mkdirSync, openSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { isLongRun } from '../test/support/long-run.ts'
import type { ConversationMessage, TurnEvent } from './conversations.ts'
import { listProcesses } from './process-table.ts'
import type { Desired } from './protocol.ts'
import { startTestControlPlane, type TestControlPlane } from './test-support/control-plane.ts'
import { openControlUi } from './test-support/control-ui.ts'
import { createRealSlot, eventually } from './test-support/real-slot.ts'
import { type ScriptedModel, startScriptedModel } from './test-support/scripted-model.ts'

// One slot with a real OpenClaw for the whole file, because a boot costs ten seconds: the tests build on each other
// and run in order.

const proxyToken = 'proxy-token-of-this-test'
const owner = {
  instanceId: 'instance-1',
  slug: 'ann',
  userNames: ['ann@example.com'],
  origins: ['http://ann.localhost:7301'],
}

// A boot takes 10 s on an idle machine and several times that on a busy one.
vi.setConfig({ testTimeout: 180_000 })

let model: ScriptedModel
let plane: TestControlPlane
let slot: ReturnType<typeof createRealSlot>

beforeAll(async () => {
  model = await startScriptedModel()
  const offered = ['demo/chat', 'demo/warm'].map((id) => ({
    id,
    name: id,
    api: 'openai-completions' as const,
    contextTokensMax: 128_000,
    outputTokensMax: 4_096,
    reasoning: false,
  }))
  const desired: Desired = {
    run: 'run',
    graceSeconds: 5,
    restartGeneration: 3,
    models: {
      baseUrl: model.baseUrl,
      apiKey: 'rmk_test',
      primary: 'demo/chat',
      offered,
      warmup: 'demo/warm',
    },
    proxyToken,
    owner: null,
  }
  plane = await startTestControlPlane(desired)
  slot = createRealSlot(plane.url, proxyToken)
})

afterAll(async () => {
  await slot?.dispose()
  await plane?.close()
  await model?.close()
})

const latest = () => plane.statuses.at(-1)
const ready = (warm = false) =>
  eventually('ready', () => latest()?.ready === true && (!warm || latest()?.warm))

function ask(content: string, stream: boolean): Promise<Response> {
  return fetch(`${slot.address()}/v1/chat/completions`, {
    method: 'POST',
    headers: slot.headers('gateway'),
    body: JSON.stringify({ model: 'openclaw', stream, messages: [{ role: 'user', content }] }),
  })
}

async function bridge<T>(method: string, path: string, body?: object): Promise<T> {
  const response = await fetch(slot.address() + path, {
    method,
    headers: slot.headers('bridge'),
    body: body && JSON.stringify(body),
  })
  expect(response.status).toBe(200)
  return (await response.json()) as T
}

async function* turn(conversationId: string, text: string): AsyncIterable<TurnEvent> {
  const response = await fetch(`${slot.address()}/conversations/${conversationId}/messages`, {
    method: 'POST',
    headers: slot.headers('bridge'),
    body: JSON.stringify({ text }),
  })
  expect(response.headers.get('content-type')).toBe('text/event-stream')
  let rest = ''
  for await (const chunk of response.body ?? []) {
    const parts = (rest + Buffer.from(chunk).toString()).split('\n\n')
    rest = parts.pop() ?? ''
    for (const part of parts) if (part.startsWith('data: ')) yield JSON.parse(part.slice(6))
  }
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const collected: T[] = []
  for await (const item of items) collected.push(item)
  return collected
}

const textOf = (events: TurnEvent[]) =>
  events.map((event) => (event.type === 'text' ? event.delta : '')).join('')

test('an unowned slot boots, warms up and leaves no history behind', async () => {
  const startedAt = performance.now()
  model.serveOnly(['demo/warm'])
  slot.start()
  await eventually('link', () => plane.hellos.length > 0)
  const refused = await eventually('port', () =>
    fetch(`${slot.address()}/v1/models`, { headers: slot.headers('gateway') }).catch(() => undefined),
  )
  expect(refused.status).toBe(503)
  expect(refused.headers.get('retry-after')).toBe('1')
  expect(refused.headers.get('x-reef-refused')).toBe('openclaw_not_ready')
  expect(await refused.json()).toMatchObject({ error: { code: 'openclaw_not_ready' } })

  await ready()
  report('boot', performance.now() - startedAt)
  await ready(true)
  report('boot and warm-up', performance.now() - startedAt)
  expect(plane.hellos[0]).toMatchObject({ slotId: 'slot-1', credential: { kind: 'bootstrap' } })
  expect(plane.statuses.map((status) => status.phase)).toEqual(
    expect.arrayContaining(['booting', 'warming', 'ready']),
  )
  expect(latest()).toMatchObject({ appliedRestartGeneration: 3, failure: null })
  // OpenClaw turns to its default model by itself after a turn that failed, as some do on a machine under load.
  const answered = model.requests.filter((request) => !request.refused)
  expect(new Set(answered.map((request) => request.model))).toEqual(new Set(['demo/warm']))
  expect(model.requests[0]?.authorization).toBe('Bearer rmk_test')
  expect(await bridge('GET', '/conversations')).toEqual({ conversations: [] })
  for (const name of ['openclaw.json', 'supervisor.json', 'link-credential'])
    expect(statSync(slot.file(name)).mode & 0o777).toBe(0o600)
})

test('OpenClaw sees none of the environment around the supervisor', async () => {
  if (process.platform !== 'linux') return
  const environment = readFileSync(`/proc/${slot.openclawPid()}/environ`, 'utf8')
  expect(environment).toContain(`HOME=${slot.file('home')}`)
  expect(environment).not.toContain('never-passed-on')
  expect(environment).not.toContain('REEF_')
})

test('claiming a warm slot takes effect at once, without a restart', async () => {
  const pid = slot.openclawPid()
  const before = await openControlUi(slot, owner.userNames[0] ?? '', owner.origins[0] ?? '')
  expect(before).toMatchObject({ status: 403 })
  const startedAt = performance.now()
  model.serveAll()
  plane.setDesired({ owner })
  await eventually('the owner is let in', async () => {
    const opened = await openControlUi(slot, owner.userNames[0] ?? '', owner.origins[0] ?? '')
    return opened.connected
  })
  report('claim to Control UI', performance.now() - startedAt)
  expect(slot.openclawPid()).toBe(pid)
  expect(latest()).toMatchObject({ ready: true, warm: true })
})

test('a visitor may configure OpenClaw, as its owner', async () => {
  const opened = await openControlUi(slot, owner.userNames[0] ?? '', owner.origins[0] ?? '')
  expect(opened).toMatchObject({ challenged: true, connected: true })
  expect(opened.scopes).toContain('operator.admin')
})

test('the first turn of a claimed slot answers in full, plain and streamed', async () => {
  const startedAt = performance.now()
  const plain = await ask('Hello?', false)
  report('first turn after warm-up', performance.now() - startedAt)
  expect(plain.status).toBe(200)
  expect(JSON.stringify(await plain.json())).toMatch(/Hello from\s+the model/)
  expect(model.requests.at(-1)?.model).toBe('demo/chat')

  const streamed = await ask('Hello again?', true)
  expect(streamed.headers.get('content-type')).toContain('text/event-stream')
  const text = await streamed.text()
  expect(text.match(/^data: /gm)?.length).toBeGreaterThan(2)
  expect(text.trimEnd().endsWith('data: [DONE]')).toBe(true)
})

test('only the proxy with its token is let in, and only allowed visitors see the Control UI', async () => {
  for (const token of [undefined, '', 'wrong', `${proxyToken}x`]) {
    const headers: Record<string, string> = { ...slot.headers('gateway'), 'x-reef-proxy-token': token ?? '' }
    if (token === undefined) delete headers['x-reef-proxy-token']
    const response = await fetch(`${slot.address()}/v1/models`, { headers })
    expect(response.status).toBe(403)
    expect(await response.json()).toMatchObject({ error: { code: 'forbidden' } })
  }
  const stranger = await openControlUi(slot, 'mallory@example.com', owner.origins[0] ?? '')
  expect(stranger).toMatchObject({ status: 403 })
  const foreignPage = await openControlUi(slot, owner.userNames[0] ?? '', 'http://evil.localhost:7301')
  expect(foreignPage).toMatchObject({ connected: false, status: 403 })
  const page = await fetch(slot.address(), {
    headers: { ...slot.headers('ui'), 'x-reef-user': owner.userNames[0] ?? '' },
  })
  expect(await page.text()).toContain('OpenClaw')
})

let conversationId: string

test('a conversation with a tool call streams, and its history shows the same', async () => {
  conversationId = (await bridge<{ id: string }>('POST', '/conversations')).id
  const startedAt = performance.now()
  const events = await collect(turn(conversationId, 'Please list files here.'))
  report('first conversation turn, with a tool', performance.now() - startedAt)
  expect(events[0]).toEqual({ type: 'started' })
  expect(events.at(-1)).toEqual({ type: 'done', stopped: false })
  const tools = events.flatMap((event) => (event.type === 'tool' ? [event.tool] : []))
  expect(tools[0]).toMatchObject({ name: 'exec', input: '{"command":"ls -a"}', output: null })
  expect(tools.at(-1)).toMatchObject({ name: 'exec', failed: false })
  expect(tools.at(-1)?.output).toContain('AGENTS.md')
  expect(textOf(events)).toMatch(/^Let me look\.\n\nHello from\s+the model/)

  const messages = await historyOf(conversationId)
  expect(messages.map((message) => message.role)).toEqual(['user', 'assistant'])
  expect(messages[0]?.text).toBe('Please list files here.')
  expect(messages[1]?.text.trim()).toBe(textOf(events).trim())
  expect(messages[1]?.tools).toEqual([tools.at(-1)])
  const { conversations } = await bridge<{ conversations: object[] }>('GET', '/conversations')
  expect(conversations).toMatchObject([{ id: conversationId, title: 'Please list files here.' }])
})

test('a turn that runs is in the history, is counted, and can be stopped', async () => {
  await eventually('nothing is counted', () => plane.heartbeats.at(-1)?.turnsInFlight === 0)
  const events: TurnEvent[] = []
  const running = (async () => {
    for await (const event of turn(conversationId, 'Count slowly.')) events.push(event)
  })()
  await eventually('the first words', () => textOf(events).includes('two'))
  const messages = await historyOf(conversationId)
  expect(messages.at(-1)).toMatchObject({ role: 'assistant' })
  expect(messages.at(-1)?.text).toMatch(/^one/)
  await eventually('counted', () => plane.heartbeats.at(-1)?.turnsInFlight === 1)
  expect(await bridge('POST', `/conversations/${conversationId}/stop`)).toEqual({ stopped: true })
  await running
  expect(events.at(-1)).toEqual({ type: 'done', stopped: true })
  expect(textOf(events)).not.toContain('eight')
  expect(await bridge('POST', `/conversations/${conversationId}/stop`)).toEqual({ stopped: false })
})

test('a refusal for want of credits reaches the reader at once, and so does the first answer after credits were bought', async () => {
  const { id } = await bridge<{ id: string }>('POST', '/conversations')
  const events = await collect(turn(id, 'There is no credit left.'))
  expect(events.at(-1)).toMatchObject({ type: 'error' })
  expect(textOf(await collect(turn(id, 'Hello again.')))).toMatch(/Hello from\s+the model/)
  await bridge('DELETE', `/conversations/${id}`)
  const { conversations } = await bridge<{ conversations: { id: string }[] }>('GET', '/conversations')
  expect(conversations.map((conversation) => conversation.id)).toEqual([conversationId])
})

test('heartbeats rise by one and say what OpenClaw uses', async () => {
  const sequences = plane.heartbeats.map((heartbeat) => heartbeat.sequence)
  expect(sequences).toEqual(sequences.map((_, index) => index + 1))
  const memoryBytes = plane.heartbeats.at(-1)?.memoryBytes ?? 0
  expect(memoryBytes).toBeGreaterThan(300e6)
  expect(Math.max(...plane.heartbeats.map((heartbeat) => heartbeat.cpuPercent))).toBeGreaterThan(10)
  expect(plane.logs.some((line) => line.source === 'openclaw')).toBe(true)
  report('memory MB', memoryBytes / 1e6)
})

// Without a long run these two: e2e/faults.e2e.ts.
test.skipIf(!isLongRun)('OpenClaw killed with SIGKILL comes back by itself with its history', async () => {
  const pid = slot.openclawPid()
  const startedAt = performance.now()
  process.kill(pid, 'SIGKILL')
  await eventually('noticed', () => latest()?.ready === false)
  await ready()
  report('back after SIGKILL', performance.now() - startedAt)
  // Whoever sleeps when nothing is under way does not fall asleep before OpenClaw could be asked.
  await eventually('not asked yet', () => plane.heartbeats.at(-1)?.turnsInFlight === 1)
  expect(slot.openclawPid()).not.toBe(pid)
  const messages = await historyOf(conversationId)
  expect(messages[0]?.text).toBe('Please list files here.')
})

test.skipIf(!isLongRun)(
  'a supervisor killed with SIGKILL ends the orphan at its next start and goes on',
  async () => {
    const orphan = slot.openclawPid()
    const lastSequence = plane.heartbeats.at(-1)?.sequence ?? 0
    const hellos = plane.hellos.length
    plane.statuses.length = 0
    await slot.kill()
    // As its owner or OpenClaw might, while nobody looks.
    const config = JSON.parse(readFileSync(slot.file('openclaw.json'), 'utf8'))
    writeFileSync(slot.file('openclaw.json'), JSON.stringify({ ...config, ui: { seamColor: '#3366ff' } }))

    slot.start()
    await eventually('the orphan has ended', async () => {
      const rows = await listProcesses()
      return !rows.some((row) => row.pid === orphan && !row.zombie)
    })
    await ready()
    expect(plane.hellos[hellos]).toMatchObject({ credential: { kind: 'link', token: 'link-token' } })
    expect(plane.heartbeats.find(({ sequence }) => sequence > lastSequence)?.sequence).toBe(lastSequence + 1)
    expect(await historyOf(conversationId)).toMatchObject([{ text: 'Please list files here.' }, {}, {}, {}])
    expect(JSON.parse(readFileSync(slot.file('openclaw.json'), 'utf8'))).toMatchObject({
      ui: { seamColor: '#3366ff' },
      gateway: { auth: { mode: 'trusted-proxy' } },
    })
  },
)

test('an invalid configuration is reported once repair has failed, and mended by the next change', async () => {
  const { models } = plane.desired
  const broken = models.offered.map((offer) => ({ ...offer, contextTokensMax: -1 }))
  plane.setDesired({ restartGeneration: 4, models: { ...models, offered: broken } })
  const failed = await eventually('reported', () => (latest()?.failure ? latest() : undefined))
  expect(failed).toMatchObject({
    phase: 'failed',
    ready: false,
    failure: { code: 'configuration_invalid', message: expect.stringContaining('openclaw.json') },
  })
  plane.setDesired({ restartGeneration: 5, models })
  await ready()
  expect(latest()).toMatchObject({ failure: null, appliedRestartGeneration: 5 })
})

test('when the lease runs out the supervisor stops OpenClaw and itself', async () => {
  const pid = slot.openclawPid()
  const events: TurnEvent[] = []
  const running = (async () => {
    for await (const event of turn(conversationId, 'Count slowly.')) events.push(event)
  })()
  // Nothing has warmed this process up: its first turn takes its time to begin.
  await eventually('the first words', () => {
    expect(events.map((event) => event.type)).not.toContain('error')
    return textOf(events).includes('one')
  })
  plane.leaseSeconds = 2
  const heartbeats = plane.heartbeats.length
  await eventually('a short lease', () => plane.heartbeats.length > heartbeats)
  const startedAt = performance.now()
  plane.answering = false
  const refused = await eventually('nothing new is taken on', async () => {
    const answer = await fetch(`${slot.address()}/v1/models`, { headers: slot.headers('gateway') })
    return answer.status === 503 ? answer : undefined
  })
  expect(refused.headers.get('x-reef-refused')).toBe('draining')
  expect(await slot.ended()).toBe(0)
  report('lease run-out to the end', performance.now() - startedAt)
  expect(slot.output()).toContain('The lease has run out')
  expect(plane.statuses.some((status) => status.phase === 'draining' && !status.ready)).toBe(true)
  // The turn was under way when the lease ended and was given its grace.
  await running
  expect(textOf(events)).toContain('eight')
  const rows = await listProcesses()
  expect(rows.some((row) => row.pid === pid && !row.zombie)).toBe(false)
  expect(existsSync(slot.file('openclaw.pid.json'))).toBe(false)
  expect(slot.output()).not.toContain('killed')
})

test('a slot that is refused for good ends without starting OpenClaw', async () => {
  writeFileSync(slot.file('link-credential'), 'forged')
  slot.start()
  expect(await slot.ended()).toBe(0)
  expect(slot.output()).toContain('No such slot.')
  expect(existsSync(slot.file('openclaw.pid.json'))).toBe(false)
})

test('a slot that may not write a byte more goes on reporting, and ends OpenClaw when it takes up too much', async () => {
  const full = createRealSlot(plane.url, proxyToken)
  const log = existsSync('/dev/full') ? openSync('/dev/full', 'w') : ('pipe' as const)
  try {
    plane.answering = true
    plane.leaseSeconds = 60
    plane.setDesired({ diskBytesMax: 1024 ** 3 })
    plane.heartbeats.length = 0
    plane.statuses.length = 0
    const supervisor = full.start(log)
    await eventually('a memory', () => existsSync(full.file('supervisor.json')))
    mkdirSync(full.file(`supervisor.json.${supervisor.pid}.tmp`))
    await eventually('OpenClaw', () => existsSync(full.file('openclaw.pid.json')))
    const pid = full.openclawPid()
    await eventually('heartbeats', () => plane.heartbeats.length >= 3)
    expect(plane.heartbeats.slice(0, 3).map((heartbeat) => heartbeat.sequence)).toEqual([1, 2, 3])

    plane.setDesired({ diskBytesMax: 1 })
    await eventually('reported', () => latest()?.failure?.code === 'disk_full')
    await eventually('OpenClaw has ended', async () => {
      const rows = await listProcesses()
      return !rows.some((row) => row.pid === pid && !row.zombie)
    })
    const before = plane.heartbeats.length
    await eventually('heartbeats go on', () => plane.heartbeats.length > before)
    expect(supervisor.exitCode).toBeNull()
  } finally {
    await full.dispose()
    if (log !== 'pipe') closeSync(log)
  }
})

async function historyOf(id: string): Promise<ConversationMessage[]> {
  return (await bridge<{ messages: ConversationMessage[] }>('GET', `/conversations/${id}/messages`)).messages
}

/** Figures of this run, for whoever reads the output. */
function report(what: string, milliseconds: number): void {
  process.stdout.write(`  ${what}: ${Math.round(milliseconds)}\n`)
}
