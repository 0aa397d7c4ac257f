import { createHash, randomBytes } from 'node:crypto'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { descendants, listProcesses } from './process-table.ts'
import type { Desired } from './protocol.ts'
import { startTestControlPlane, type TestControlPlane } from './test-support/control-plane.ts'
import { createRealSlot, eventually } from './test-support/real-slot.ts'
import { type ScriptedModel, startScriptedModel } from './test-support/scripted-model.ts'

// One slot with a real OpenClaw for the whole file, because a boot costs ten seconds: the tests build on each other
// and run in order.

vi.setConfig({ testTimeout: 180_000, hookTimeout: 60_000 })

const canary = (): string => `canary${randomBytes(18).toString('hex')}`
const modelKey = [canary(), canary()] as const
const exposed = [canary(), canary()] as const
const hidden = canary()
const all = [...modelKey, ...exposed, hidden]

let model: ScriptedModel
let plane: TestControlPlane
let slot: ReturnType<typeof createRealSlot>
const processEnvironments = new Set<string>()

const secret = (name: string, value: string, version = 1, exposeToTools = false) => ({
  name,
  value,
  version,
  exposeToTools,
})

beforeAll(async () => {
  model = await startScriptedModel()
  const desired: Desired = {
    run: 'run',
    graceSeconds: 5,
    restartGeneration: 0,
    models: {
      baseUrl: model.baseUrl,
      apiKey: 'rmk_test',
      primary: 'demo/chat',
      offered: [
        {
          id: 'demo/chat',
          name: 'chat',
          api: 'openai-completions',
          contextTokensMax: 128_000,
          outputTokensMax: 4_096,
          reasoning: false,
        },
      ],
      warmup: 'demo/chat',
    },
    proxyToken: 'proxy-token',
    secrets: [
      secret('HIDDEN_TOKEN', hidden),
      secret('MODEL_KEY', modelKey[0]),
      secret('TOOL_TOKEN', exposed[0], 1, true),
    ],
    owner: {
      instanceId: 'instance-1',
      slug: 'ann',
      userNames: ['ann@example.com'],
      origins: ['http://ann.localhost:7301'],
    },
  }
  plane = await startTestControlPlane(desired)
  slot = createRealSlot(plane.url, 'proxy-token')
  // As an owner would write it: a provider of their own, whose key is a secret of Reef.
  writeFileSync(
    slot.file('openclaw.json'),
    JSON.stringify({
      models: {
        providers: {
          own: {
            baseUrl: model.baseUrl,
            apiKey: { source: 'file', provider: 'reef', id: '/MODEL_KEY' },
            api: 'openai-completions',
            models: [
              {
                id: 'chat',
                name: 'chat',
                reasoning: false,
                input: ['text'],
                cost: { input: 0, output: 0, cacheRead: 0, cacheWrite: 0 },
                contextWindow: 128_000,
                maxTokens: 4_096,
              },
            ],
          },
        },
      },
      agents: { defaults: { models: { 'own/chat': {}, 'reef/demo/chat': {} } } },
    }),
  )
  slot.start()
  await eventually('ready', () => plane.statuses.at(-1)?.ready === true)
})

afterAll(async () => {
  await slot?.dispose()
  await plane?.close()
  await model?.close()
})

async function ask(content: string, modelName?: string): Promise<string> {
  const response = await fetch(`${slot.address()}/v1/chat/completions`, {
    method: 'POST',
    headers: { ...slot.headers('gateway'), ...(modelName ? { 'x-openclaw-model': modelName } : {}) },
    body: JSON.stringify({ model: 'openclaw', messages: [{ role: 'user', content }] }),
  })
  const text = await response.text()
  expect(response.status, text).toBe(200)
  return text
}

/** What a command of the agent sees, as digests, so that no answer holds a value. */
async function seenByTools(): Promise<{ tool: string; hidden: string }> {
  const file = slot.file('workspace/seen')
  await ask(
    `run <printf '%s\\n' "$(printf %s "$TOOL_TOKEN" | sha256sum)" "\${HIDDEN_TOKEN-unset}" > ${file}>`,
  )
  const [tool = '', hiddenSeen = ''] = readFileSync(file, 'utf8').split('\n')
  return { tool: tool.split(' ')[0] as string, hidden: hiddenSeen }
}

const digest = (text: string): string => createHash('sha256').update(text).digest('hex')

async function rememberProcesses(): Promise<void> {
  const rows = await listProcesses()
  for (const { pid } of [...descendants(rows, slot.openclawPid())])
    for (const file of ['environ', 'cmdline'])
      processEnvironments.add(readFileSync(`/proc/${pid}/${file}`, 'utf8'))
}

test('OpenClaw resolves a secret that its configuration refers to', async () => {
  await ask('Hello', 'own/chat')
  expect(model.requests.at(-1)).toMatchObject({ model: 'chat', authorization: `Bearer ${modelKey[0]}` })
  await rememberProcesses()
})

test('commands of the agent see what was exposed to them and nothing else', async () => {
  expect(await seenByTools()).toEqual({ tool: digest(exposed[0]), hidden: 'unset' })
})

test('a new value is used from the next call on, without a restart', async () => {
  const pid = slot.openclawPid()
  plane.setDesired({
    secrets: [
      secret('HIDDEN_TOKEN', hidden),
      secret('MODEL_KEY', modelKey[1], 2),
      secret('TOOL_TOKEN', exposed[1], 2, true),
    ],
  })
  await eventually('the secrets are taken up', () => slot.output().includes('taken up the changed secrets'))
  await ask('Hello again', 'own/chat')
  expect(model.requests.at(-1)?.authorization).toBe(`Bearer ${modelKey[1]}`)
  expect(await seenByTools()).toEqual({ tool: digest(exposed[1]), hidden: 'unset' })
  expect(slot.openclawPid()).toBe(pid)
  await rememberProcesses()
})

test('what is no longer exposed is gone from the next command', async () => {
  plane.setDesired({ secrets: [secret('MODEL_KEY', modelKey[1], 2), secret('TOOL_TOKEN', exposed[1], 2)] })
  await eventually('the exposed file is empty', () => {
    const file = secretFiles().exposed
    return file !== undefined && readFileSync(file, 'utf8') === '{}'
  })
  expect((await seenByTools()).tool).toBe(digest(''))
})

test('the values lie in a file for this user alone, in memory', () => {
  const { values } = secretFiles()
  expect(values).toMatch(/^\/(dev\/shm|run\/user|tmp)\//)
  expect(statSync(values as string).mode & 0o077).toBe(0)
  expect(statSync(dirname(values as string)).mode & 0o077).toBe(0)
})

test('no value is in any file of the slot, any log line or any process’s environment or arguments', async () => {
  // Something that OpenClaw says of a secret comes through the supervisor, which knows the values.
  const places: [string, string][] = [
    ['the supervisor’s output', slot.output()],
    ['the log', JSON.stringify(plane.logs)],
    ['statuses', JSON.stringify(plane.statuses)],
    ...[...processEnvironments].map((text): [string, string] => ['a process', text]),
    ...(await filesBelow(slot.directory)).map((path): [string, string] => [path, readIfThere(path)]),
  ]
  expect(places.length).toBeGreaterThan(20)
  const found = places.filter(([, text]) => all.some((value) => text.includes(value))).map(([place]) => place)
  expect(found).toEqual([])
})

test('the values are gone with the slot', async () => {
  const { values } = secretFiles()
  plane.setDesired({ run: 'stop' })
  expect(await slot.ended()).toBe(0)
  expect(existsSync(dirname(values as string))).toBe(false)
})

function secretFiles(): { values?: string; exposed?: string } {
  const config = JSON.parse(readFileSync(slot.file('openclaw.json'), 'utf8'))
  return {
    values: config.secrets?.providers?.reef?.path,
    exposed: config.plugins?.entries?.['reef-secrets']?.config?.file,
  }
}

/** OpenClaw's databases remove their journals while the files are gone through. */
function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'latin1')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return ''
    throw error
  }
}

/** The synchronous `readdir` would follow the links that OpenClaw makes to its own packages, which are gigabytes. */
async function filesBelow(directory: string): Promise<string[]> {
  return (await readdir(directory, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
}
