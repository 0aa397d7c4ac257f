import { describe, expect, it } from 'vitest'
import * as ws from 'ws'
import { createActivity, isHumanFrame, nextWakeOf } from './activity.ts'
import { watchClientFrames } from './client-frames.ts'
import type { GatewayClient } from './gateway-client.ts'

type Sends = Record<'send' | 'ping', (data: Buffer, options: unknown, done: () => void) => void>
// Exported by the library, and left out of its types.
const { Sender } = ws as unknown as { Sender: new (socket: unknown) => Sends }

/** What a browser sends: masked frames, as `ws` itself writes them. */
function frames(...texts: (string | { ping: string })[]): Buffer {
  const chunks: Buffer[] = []
  const socket = {
    cork: () => undefined,
    uncork: () => undefined,
    write: (chunk: Buffer) => {
      chunks.push(Buffer.from(chunk))
      return true
    },
  }
  const sender = new Sender(socket)
  for (const text of texts)
    if (typeof text === 'string')
      sender.send(
        Buffer.from(text),
        { mask: true, fin: true, binary: false, compress: false },
        () => undefined,
      )
    else sender.ping(Buffer.from(text.ping), true, () => undefined)
  return Buffer.concat(chunks)
}

const request = (method: string, size = 0) =>
  JSON.stringify({ type: 'req', id: '1', method, params: { text: 'x'.repeat(size) } })

describe('watchClientFrames', () => {
  it.each([1, 2, 3, 7, 100, 100_000])('tells every message, however the bytes come: %i at a time', (size) => {
    const bytes = frames('first', { ping: 'ping' }, request('chat.send', 70_000), 'x'.repeat(300), 'last')
    const seen: string[] = []
    const watch = watchClientFrames((beginning) => seen.push(beginning), 60)
    for (let at = 0; at < bytes.length; at += size) watch(bytes.subarray(at, at + size))
    expect(seen).toHaveLength(4)
    expect(seen[0]).toBe('first')
    expect(seen[1]).toContain('"method":"chat.send"')
    expect(seen[2]).toBe('x'.repeat(60))
    expect(seen[3]).toBe('last')
  })
})

describe('activity', () => {
  it('is what people do, not what an open tab asks for by itself', () => {
    for (const method of [
      'chat.send',
      'chat.abort',
      'sessions.create',
      'session.typing',
      'cron.run',
      'agent',
    ])
      expect([method, isHumanFrame(request(method))]).toEqual([method, true])
    for (const method of [
      'health',
      'status',
      'sessions.list',
      'chat.history',
      'cron.list',
      'node.list',
      'connect',
    ])
      expect([method, isHumanFrame(request(method))]).toEqual([method, false])
  })

  it('reports the last time that a person did something over a Control UI', async () => {
    let now = 1_000_000
    const activity = createActivity(() => now)
    const watch = activity.watchVisitor()
    watch(frames(request('health'), { ping: '' }, request('sessions.list')))
    expect((await activity.read(null)).activeAt).toBeNull()
    watch(frames(request('chat.send', 5_000)))
    now += 60_000
    expect(await activity.read(null)).toEqual({
      activeAt: new Date(1_000_000).toISOString(),
      nextWakeAt: null,
    })
  })

  it('asks OpenClaw what it plans now and then, and keeps what it knew while OpenClaw does not answer', async () => {
    let now = 0
    let asked = 0
    let answers = true
    const gateway = {
      call: async () => {
        asked += 1
        if (!answers) throw new Error('busy')
        return {
          jobs: [{ enabled: true, state: { nextRunAtMs: 5_000_000 }, payload: { kind: 'agentTurn' } }],
        }
      },
    } as unknown as GatewayClient
    const activity = createActivity(() => now)
    const nextWakeAt = new Date(5_000_000).toISOString()
    expect((await activity.read(gateway)).nextWakeAt).toBe(nextWakeAt)
    await activity.read(gateway)
    expect(asked).toBe(1)
    now += 60_000
    answers = false
    expect((await activity.read(gateway)).nextWakeAt).toBe(nextWakeAt)
    expect(asked).toBe(2)
  })
})

describe('nextWakeOf', () => {
  const job = (nextRunAtMs: number | null, more: object = {}) => ({ enabled: true, nextRunAtMs, ...more })

  it('is the first job that is due', () => {
    expect(nextWakeOf({ jobs: [job(3_000), job(1_000), job(null), job(2_000)] })?.getTime()).toBe(1_000)
    expect(nextWakeOf({ jobs: [{ enabled: true, state: { nextRunAtMs: 7 } }] })?.getTime()).toBe(7)
  })

  it('leaves out what is disabled, and heartbeats that would be skipped', () => {
    const heartbeat = { payload: { kind: 'heartbeat' } }
    expect(nextWakeOf({ jobs: [job(1_000, { enabled: false })] })).toBeNull()
    expect(nextWakeOf({ jobs: [job(1_000, { ...heartbeat, lastRunStatus: 'skipped' })] })).toBeNull()
    expect(nextWakeOf({ jobs: [job(1_000, { ...heartbeat, lastRunStatus: 'ok' })] })?.getTime()).toBe(1_000)
  })

  it('leaves out what OpenClaw tidies up by itself', () => {
    const declarationKey = 'memory-core:memory-dreaming-promotion'
    expect(nextWakeOf({ jobs: [job(1_000, { declarationKey }), job(2_000)] })?.getTime()).toBe(2_000)
  })

  it('knows nothing from an answer that it does not understand', () => {
    expect(nextWakeOf({ jobs: 'none' })).toBeNull()
  })
})
