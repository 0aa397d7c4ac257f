import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { WebSocketServer } from 'ws'
import type { PolicySlot } from './protocol.ts'
import { startTestGate, type TestGate, testSlot } from './test-support/gate.ts'

const run = promisify(execFile)

let directory: string
let plain: Server
let secure: Server
let gate: TestGate
let slot: PolicySlot

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'reef-gate-'))
  const [key, cert] = [join(directory, 'key.pem'), join(directory, 'cert.pem')]
  await run('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'],
    ...['-subj', '/CN=allowed.test', '-addext', 'subjectAltName=DNS:allowed.test,DNS:other.test'],
    ...['-keyout', key, '-out', cert],
  ])
  plain = createServer((_, answer) => answer.end('plain'))
  secure = createSecureServer({ key: await readFile(key), cert: await readFile(cert) }, (_, answer) =>
    answer.end('secure'),
  )
  for (const server of [plain, secure]) {
    new WebSocketServer({ server }).on('connection', (socket) => socket.send('socket'))
    await new Promise<void>((done) => {
      server.listen(0, '127.0.0.1', done)
    })
  }
  const ports = [plain, secure].map((server) => (server.address() as AddressInfo).port)
  // A program that knows only the variables does not choose its own address.
  slot = {
    ...testSlot(1, { mode: 'allow_list', rules: [{ domain: 'allowed.test', ports }] }),
    instanceAddress: '127.0.0.1',
  }
  gate = await startTestGate({ slots: [slot] })
})
afterAll(async () => {
  await gate.close()
  for (const server of [plain, secure]) {
    server.closeAllConnections()
    server.close()
  }
  await rm(directory, { recursive: true })
})

/** What a program prints that knows nothing of the gate but its environment. */
async function program(text: string): Promise<string> {
  const proxy = `http://${slot.gateAddress}:${gate.ports.egress}`
  const { stdout } = await run(process.execPath, ['-e', text], {
    env: {
      NODE_USE_ENV_PROXY: '1',
      ...{ HTTP_PROXY: proxy, HTTPS_PROXY: proxy, http_proxy: proxy, https_proxy: proxy },
      NO_PROXY: `127.0.0.1,localhost,${slot.gateAddress}`,
      NODE_EXTRA_CA_CERTS: join(directory, 'cert.pem'),
    },
    timeout: 20_000,
  })
  return stdout.trim()
}
const urlOf = (scheme: string, host: string): string =>
  `${scheme}://${host}:${((/^(https|wss)$/.test(scheme) ? secure : plain).address() as AddressInfo).port}/`

it.each([
  ['http', 'plain'],
  ['https', 'secure'],
])('fetch reaches an allowed name over %s by its environment alone', async (scheme, answer) => {
  expect(
    await program(`fetch('${urlOf(scheme, 'allowed.test')}').then(async (a) => console.log(await a.text()))`),
  ).toBe(answer)
})

it.each([
  ['http', 'plain'],
  ['https', 'secure'],
])('so does %s.get', async (scheme, answer) => {
  expect(
    await program(
      `require('${scheme}').get('${urlOf(scheme, 'allowed.test')}', (a) => a.pipe(process.stdout))`,
    ),
  ).toBe(answer)
})

it.each(['ws', 'wss'])('so does a WebSocket by %s', async (scheme) => {
  const url = urlOf(scheme, 'allowed.test')
  expect(
    await program(
      `const s = new WebSocket('${url}'); s.onmessage = (m) => { console.log(m.data); process.exit() }; s.onerror = (e) => { console.log('failed', e.message); process.exit() }`,
    ),
  ).toBe('socket')
})

it('and each is refused what is not allowed', async () => {
  for (const scheme of ['http', 'https']) {
    const text = `fetch('${urlOf(scheme, 'other.test')}').then(async (a) => console.log(a.status, await a.text()), (e) => console.log('refused', e.cause?.message))`
    expect(await program(text)).toMatch(/403|refused/)
  }
})
