import type { AddressInfo } from 'node:net'
import { WebSocketServer } from 'ws'
import { type Gate, type GateOptions, startGate } from '../gate.ts'
import { fromGateSchema, type Policy, type PolicySlot, type Report } from '../protocol.ts'

export const testToken = 'gate-token-of-the-test'

/** A gate on loopback, with a control plane of the test's: addresses of 127.0.0.0/8 stand for those of networks. */
export interface TestGate extends Gate {
  reports: Report[]
  /** Resolves when the gate has it in force. */
  push(policy: Policy): Promise<void>
}

export interface TestGateOptions extends Partial<Omit<GateOptions, 'log'>> {
  controlUrl?: string
  supervisorPort?: number
  privateAllowed?: string[]
}

/** One slot; connect to `gateAddress` from `instanceAddress` to be it. */
export function testSlot(number: number, egress: PolicySlot['egress']): PolicySlot {
  return {
    slotId: `slot-${number}`,
    gateAddress: `127.1.${number}.2`,
    instanceAddress: `127.1.${number}.3`,
    egress,
  }
}

export async function startTestGate(policy: Policy, options: TestGateOptions = {}): Promise<TestGate> {
  const reports: Report[] = []
  let current = policy
  const control = new WebSocketServer({ port: 0, host: '127.0.0.1', path: '/gate' })
  await new Promise((done) => {
    control.once('listening', done)
  })
  control.on('connection', (socket) => {
    socket.on('message', (data) => reports.push(fromGateSchema.parse(JSON.parse(String(data)))))
    socket.send(JSON.stringify({ type: 'policy', policy: current }))
  })
  let applied: () => void = () => undefined
  const inForce = new Promise<void>((done) => {
    applied = done
  })
  const gate = await startGate(
    {
      hostName: 'test',
      controlUrl: `http://127.0.0.1:${(control.address() as AddressInfo).port}`,
      token: testToken,
      inboundAddress: '127.0.0.1',
      privateAllowed: options.privateAllowed ?? ['127.0.0.0/8'],
      hostsFile: undefined,
      ...(options.controlUrl ? { relayUrl: options.controlUrl } : {}),
    },
    {
      ports: { relay: 0, egress: 0, inbound: 0, supervisor: options.supervisorPort ?? 1 },
      log: () => undefined,
      lookup: async (host) => (host.startsWith('unknown.') ? [] : ['127.0.0.1']),
      onApplied: () => applied(),
      ...options,
      limits: { reportSeconds: 0.05, requestSeconds: 1, serverNameSeconds: 1, dialSeconds: 1, ...options.limits },
    },
  )
  await inForce
  return {
    ...gate,
    reports,
    push: async (next) => {
      current = next
      const done = new Promise<void>((resolve) => {
        applied = resolve
      })
      for (const client of control.clients) client.send(JSON.stringify({ type: 'policy', policy: next }))
      await done
    },
    close: async () => {
      for (const client of control.clients) client.terminate()
      control.close()
      await gate.close()
    },
  }
}
