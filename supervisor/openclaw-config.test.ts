import { expect, test } from 'vitest'
import { mergeConfig } from './openclaw-config.ts'
import type { Desired } from './protocol.ts'

const local = {
  port: 18_000,
  password: 'internal',
  modelRelayUrl: 'http://127.0.0.1:19000',
  modelRelayToken: 'relay',
  workspaceDirectory: '/slot/workspace',
  logFile: '/slot/log',
}

const desired: Desired = {
  run: 'run',
  graceSeconds: 10,
  restartGeneration: 0,
  models: {
    baseUrl: 'http://127.0.0.1:7300/models/v1',
    apiKey: 'rmk_slot',
    primary: 'demo/chat',
    warmup: 'demo/chat',
    offered: [
      {
        id: 'demo/chat',
        name: 'Demo',
        api: 'openai-completions',
        contextTokensMax: 128_000,
        outputTokensMax: 4_096,
        reasoning: false,
      },
      {
        id: 'anthropic/opus',
        name: 'Opus',
        api: 'anthropic-messages',
        contextTokensMax: 200_000,
        outputTokensMax: 8_192,
        reasoning: true,
      },
    ],
  },
  proxyToken: 'proxy',
  owner: null,
}
const owner = {
  instanceId: 'i',
  slug: 'ann',
  userNames: ['ann@example.com'],
  origins: ['http://ann.localhost:7301'],
}

test('what the owner and OpenClaw changed stays, and only keys of Reef are set', () => {
  const existing = {
    channels: { telegram: { botToken: 'secret' } },
    models: { providers: { mine: { baseUrl: 'http://example.com' } } },
    gateway: { controlUi: { basePath: '/x' }, tools: { deny: ['exec'] } },
    agents: { defaults: { workspace: '/elsewhere', heartbeat: { every: '1h' } }, list: [{ id: 'main' }] },
    meta: { lastTouchedVersion: '1' },
  }
  const merged = mergeConfig(existing, desired, local)
  expect(merged).toMatchObject(existing)
  expect(merged).toMatchObject({
    gateway: { mode: 'local', bind: 'loopback', port: 18_000, auth: { mode: 'trusted-proxy' } },
    models: {
      providers: {
        reef: {
          baseUrl: 'http://127.0.0.1:19000/v1',
          models: [
            { id: 'demo/chat' },
            { id: 'anthropic/opus', baseUrl: 'http://127.0.0.1:19000/anthropic' },
          ],
        },
      },
    },
    agents: { defaults: { model: { primary: 'reef/demo/chat' } } },
  })
})

test('merging twice changes nothing more, and the input is left alone', () => {
  const once = mergeConfig({}, desired, local)
  const before = structuredClone(once)
  expect(mergeConfig(once, desired, local)).toEqual(once)
  expect(once).toEqual(before)
})

test('claiming changes nothing, because a reload would slow the first turn', () => {
  const idle = mergeConfig({}, desired, local)
  expect(mergeConfig(idle, { ...desired, owner }, local)).toEqual(idle)
})

test('an owner who chose a model of their own provider keeps it', () => {
  const own = {
    agents: { defaults: { model: { primary: 'anthropic/opus', fallbacks: ['reef/demo/chat'] } } },
  }
  expect(mergeConfig(own, desired, local)).toMatchObject(own)
  const short = { agents: { defaults: { model: 'anthropic/opus' } } }
  expect(mergeConfig(short, desired, local)).toMatchObject(short)
  const ours = { agents: { defaults: { model: 'reef/demo/old' } } }
  expect(mergeConfig(ours, desired, local)).toMatchObject({
    agents: { defaults: { model: { primary: 'reef/demo/chat' } } },
  })
})

test("the slot's key for the model gateway is not in OpenClaw's reach", () => {
  expect(JSON.stringify(mergeConfig({}, desired, local))).not.toContain('rmk_slot')
})

test('a gateway token is removed, because OpenClaw would refuse to start with it', () => {
  const merged = mergeConfig({ gateway: { auth: { mode: 'token', token: 'x' } } }, desired, local)
  expect(JSON.stringify(merged)).not.toContain('"token":')
})
