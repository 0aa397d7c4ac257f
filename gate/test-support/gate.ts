import { createServer, type RequestListener, type Server } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { WebSocketServer } from 'ws'
import { type Gate, type GateOptions, startGate } from '../gate.ts'
import {
  type FromGate,
  fromGateSchema,
  type Policy,
  type PolicySlot,
  type Report,
  type ToGate,
} from '../protocol.ts'

export const testToken = 'gate-token-of-the-test'

/** A gate on loopback, with a control plane of the test's: addresses of 127.0.0.0/8 stand for those of networks. */
export interface TestGate extends Gate {
  control: Server
  reports: Report[]
  /** Resolves when the gate has it in force. */
  push(policy: Policy): Promise<void>
}

export interface TestGateOptions extends Partial<Omit<GateOptions, 'log' | 'ports'>> {
  supervisorPort?: number
  privateAllowed?: string[]
  /** What the control plane answers on everything but `/gate`. */
  onRequest?: RequestListener
}

/** One slot; connect to `gateAddress` from `instanceAddress` to be it. */
export function testSlot(number: number, egress: PolicySlot['egress']): PolicySlot {
  const network = `127.1.${number}`
  return {
    slotId: `slot-${number}`,
    gateAddress: `${network}.2`,
    instanceAddress: `${network}.3`,
    egress,
  }
}

export function allowing(...domains: string[]): PolicySlot['egress'] {
  return { mode: 'allow_list', rules: domains.map((domain) => ({ domain, ports: [] })) }
}

/** A connection that the slot's instance makes to one of its gate's ports. */
export function connectAs(slot: PolicySlot, port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: slot.gateAddress, port, localAddress: slot.instanceAddress })
    socket.once('error', reject)
    socket.once('connect', () => {
      socket.off('error', reject)
      socket.on('error', () => undefined)
      resolve(socket)
    })
  })
}

export async function startTestGate(policy: Policy, options: TestGateOptions = {}): Promise<TestGate> {
  const { supervisorPort = 1, privateAllowed = ['127.0.0.0/8'], onRequest, ...gateOptions } = options
  const reports: Report[] = []
  const waiting = new Map<number, () => void>()
  let sequence = 0
  let current = policy
  const control = createServer(onRequest)
  const sockets = new WebSocketServer({ noServer: true })
  control.on('upgrade', (request, socket, head) => {
    if (request.url !== '/gate') return
    sockets.handleUpgrade(request, socket, head, (client) => sockets.emit('connection', client))
  })
  const isInForce = (wanted: number): Promise<void> => new Promise((done) => waiting.set(wanted, done))
  const send = (): void => {
    const message: ToGate = { type: 'policy', sequence, policy: current }
    for (const client of sockets.clients) client.send(JSON.stringify(message))
  }
  sockets.on('connection', (socket) => {
    socket.on('message', (data) => {
      const message: FromGate = fromGateSchema.parse(JSON.parse(String(data)))
      if (message.type === 'report') reports.push(message)
      else waiting.get(message.sequence)?.()
    })
    send()
  })
  await new Promise<void>((done) => {
    control.listen(0, '127.0.0.1', done)
  })
  const first = isInForce(0)
  const gate = await startGate(
    {
      hostName: 'test',
      controlUrl: `http://127.0.0.1:${(control.address() as AddressInfo).port}`,
      token: testToken,
      inboundAddress: '0.0.0.0',
      privateAllowed,
      hostsFile: undefined,
    },
    {
      lookup: async (host) => (host.startsWith('unknown.') ? [] : ['127.0.0.1']),
      ...gateOptions,
      ports: { relay: 0, egress: 0, inbound: 0, supervisor: supervisorPort },
      log: () => undefined,
      limits: {
        reportSeconds: 0.05,
        requestSeconds: 1,
        serverNameSeconds: 1,
        dialSeconds: 1,
        ...options.limits,
      },
    },
  )
  await first
  return {
    ...gate,
    control,
    reports,
    push: async (next) => {
      current = next
      sequence += 1
      const done = isInForce(sequence)
      send()
      await done
    },
    close: async () => {
      for (const client of sockets.clients) client.terminate()
      control.closeAllConnections()
      control.close()
      await gate.close()
    },
  }
}
