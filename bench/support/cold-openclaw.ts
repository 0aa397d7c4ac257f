import { type ChildProcess, spawn } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

/** OpenClaw as a person would start it by hand, with no Reef: the peer of a launch from the warm pool. */
export interface ColdOpenClaw {
  readonly pid: number
  /** Resolves when the gateway takes requests. */
  ready(): Promise<void>
  /** Streams one turn and resolves at its first word. */
  firstToken(): Promise<void>
  stop(): Promise<void>
}

/** A model that answers at once, so that a launch measures OpenClaw and not a model. */
export async function startInstantModel(): Promise<{ url: string; server: Server }> {
  const chunk = (delta: object, finish: string | null) =>
    `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', created: 0, model: 'instant', choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`
  const server = createServer((request, response) => {
    request.resume().on('end', () => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write(chunk({ role: 'assistant', content: 'Hello ' }, null))
      response.write(chunk({ content: 'there.' }, null))
      response.write(chunk({}, 'stop'))
      response.end('data: [DONE]\n\n')
    })
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  return { server, url: `http://127.0.0.1:${(server.address() as { port: number }).port}/v1` }
}

const token = 'bench'

/** Resolves as soon as the process is started; `firstToken` waits until the gateway takes requests. */
export async function startColdOpenClaw(modelUrl: string, port: number): Promise<ColdOpenClaw> {
  const directory = await mkdtemp(join(tmpdir(), 'reef-bench-cold-'))
  const configPath = join(directory, 'openclaw.json')
  await mkdir(join(directory, 'home'))
  await writeFile(
    configPath,
    JSON.stringify({
      gateway: {
        mode: 'local',
        port,
        auth: { mode: 'token', token },
        http: { endpoints: { chatCompletions: { enabled: true } } },
      },
      models: {
        providers: {
          bench: {
            baseUrl: modelUrl,
            apiKey: 'none',
            api: 'openai-completions',
            models: [{ id: 'instant', name: 'Instant', contextWindow: 200_000, maxTokens: 8192 }],
          },
        },
      },
      agents: { defaults: { model: { primary: 'bench/instant' }, skipBootstrap: true } },
    }),
  )
  const entry = join(dirname(createRequire(import.meta.url).resolve('openclaw')), '..', 'openclaw.mjs')
  const child: ChildProcess = spawn(process.execPath, [entry, 'gateway', 'run', '--port', String(port)], {
    env: {
      PATH: process.env.PATH,
      HOME: join(directory, 'home'),
      OPENCLAW_STATE_DIR: directory,
      OPENCLAW_CONFIG_PATH: configPath,
      OPENCLAW_DISABLE_BONJOUR: '1',
      OPENCLAW_NO_RESPAWN: '1',
    },
    stdio: 'ignore',
  })
  const url = `http://127.0.0.1:${port}/v1`
  const authorization = `Bearer ${token}`
  return {
    pid: child.pid as number,
    ready: async () => {
      await untilAnswered(child, () => fetch(`${url}/models`, { headers: { authorization } }))
    },
    firstToken: async () => {
      const body = JSON.stringify({
        model: 'openclaw',
        stream: true,
        messages: [{ role: 'user', content: 'hello' }],
      })
      const headers = { authorization, 'content-type': 'application/json' }
      const stream = await untilAnswered(child, () =>
        fetch(`${url}/chat/completions`, { method: 'POST', headers, body }),
      )
      await readFirstToken(stream)
    },
    stop: async () => {
      const exited = new Promise((done) => child.once('exit', done))
      child.kill('SIGKILL')
      await exited
      await rm(directory, { recursive: true, force: true })
    },
  }
}

/** Asks until there is a good answer, and gives its body. */
async function untilAnswered(
  child: ChildProcess,
  ask: () => Promise<Response>,
): Promise<ReadableStream<Uint8Array>> {
  const deadline = Date.now() + 120_000
  for (;;) {
    const response = await ask().catch(() => undefined)
    if (response?.ok && response.body) return response.body
    await response?.body?.cancel()
    if (Date.now() > deadline || child.exitCode !== null) throw new Error('OpenClaw did not take a request')
    await new Promise((done) => setTimeout(done, 20))
  }
}

/** Resolves at the first word of a chat completion stream; reads the rest in the background. */
export async function readFirstToken(stream: ReadableStream<Uint8Array>): Promise<void> {
  const reader = stream.getReader()
  const decoder = new TextDecoder()
  for (let seen = ''; !/"content":"[^"]/.test(seen); ) {
    const { done, value } = await reader.read()
    if (done) throw new Error(`the stream ended without a word: ${seen}`)
    seen += decoder.decode(value, { stream: true })
  }
  void (async () => {
    while (!(await reader.read()).done);
  })().catch(() => undefined)
}
