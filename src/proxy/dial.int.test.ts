import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { Agent, request } from 'undici'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { allowing, startTestGate, type TestGate, testSlot } from '../../gate/test-support/gate.ts'
import { gateUrl } from '../gate/address.ts'
import type { RootSecret } from '../secrets.ts'
import { createDialer, type Dialer } from './dial.ts'

let supervisor: Server
let gate: TestGate
let dialer: Dialer
let agent: Agent
const slot = { ...testSlot(1, allowing()), instanceAddress: '127.0.0.1' }

beforeAll(async () => {
  supervisor = createServer((incoming, answer) => {
    void text(incoming).then((body) => answer.end(`${incoming.url} ${body}`))
  })
  await new Promise<void>((done) => {
    supervisor.listen(0, '127.0.0.1', done)
  })
  const { port } = supervisor.address() as AddressInfo
  const dead = { ...testSlot(2, allowing()), instanceAddress: '127.0.0.9' }
  gate = await startTestGate({ slots: [slot, dead] }, { supervisorPort: port })
  const { testToken } = await import('../../gate/test-support/gate.ts')
  // The gate of the test knows one token, whatever its host's name.
  const secret = { deriveToken: () => testToken } as unknown as RootSecret
  dialer = createDialer(secret, { dialSeconds: 2 })
  agent = new Agent({ connect: dialer.connector })
})
afterAll(async () => {
  await agent.destroy()
  await gate.close()
  supervisor.closeAllConnections()
  supervisor.close()
})

const at = (slotId: string, gateHost: string): string =>
  gateUrl({ slotId, hostName: 'machine', gateHost, gatePort: gate.ports.inbound })

describe.each([
  ['by a preamble on the loopback', '127.0.0.1'],
  // Linux takes it for the loopback, and the dialer does not.
  ['by TLS with a shared key elsewhere', '0.0.0.0'],
])('a slot behind a gate is reached %s', (_, gateHost) => {
  it('with requests of any size, many at a time', async () => {
    const body = 'x'.repeat(300_000)
    const answers = await Promise.all(
      Array.from({ length: 20 }, async (__, index) => {
        const answer = await request(`${at(slot.slotId, gateHost)}/${index}`, {
          dispatcher: agent,
          method: 'POST',
          body,
        })
        return answer.body.text()
      }),
    )
    expect(answers).toEqual(answers.map((__, index) => `/${index} ${body}`))
  })

  it('and a supervisor that does not listen is a failed dial, of which it can be said that nobody read a byte', async () => {
    await expect(dialer.dial(at('slot-2', gateHost))).rejects.toThrow()
  })

  it('and a slot that the gate does not have is refused', async () => {
    await expect(dialer.dial(at('slot-3', gateHost))).rejects.toThrow()
  })

  it('and not with another gate’s token', async () => {
    const other = { deriveToken: () => 'another' } as unknown as RootSecret
    await expect(createDialer(other, { dialSeconds: 2 }).dial(at(slot.slotId, gateHost))).rejects.toThrow()
  })
})

it('dials other origins directly', async () => {
  const { port } = supervisor.address() as AddressInfo
  const socket = await dialer.dial(`http://127.0.0.1:${port}`)
  expect(socket.remotePort).toBe(port)
  socket.destroy()
})
