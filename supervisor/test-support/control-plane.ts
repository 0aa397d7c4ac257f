import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { type WebSocket, WebSocketServer } from 'ws'
import type { Status } from '../link.ts'
import {
  type Desired,
  type FromSupervisor,
  fromSupervisorSchema,
  type LogLine,
  type ToSupervisor,
} from '../protocol.ts'

/** As much of a control plane as one supervisor needs. */
export interface TestControlPlane {
  readonly url: string
  readonly hellos: Extract<FromSupervisor, { type: 'hello' }>[]
  readonly heartbeats: Extract<FromSupervisor, { type: 'heartbeat' }>[]
  readonly statuses: Status[]
  readonly logs: LogLine[]
  desired: Desired
  leaseSeconds: number
  /** Heartbeats go unanswered, as when the control plane hangs. */
  answering: boolean
  setDesired(change: Partial<Desired>): void
  /** Ends every connection and accepts no other until `listen`. */
  close(): Promise<void>
}

export async function startTestControlPlane(desired: Desired): Promise<TestControlPlane> {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 })
  await once(server, 'listening')
  const connections = new Set<WebSocket>()
  const send = (socket: WebSocket, message: ToSupervisor) => socket.send(JSON.stringify(message))
  const plane: TestControlPlane = {
    url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}/link`,
    hellos: [],
    heartbeats: [],
    statuses: [],
    logs: [],
    desired,
    leaseSeconds: 60,
    answering: true,
    setDesired(change) {
      plane.desired = { ...plane.desired, ...change }
      for (const socket of connections) send(socket, { type: 'desired', desired: plane.desired })
    },
    async close() {
      for (const socket of connections) socket.terminate()
      await new Promise((done) => server.close(done))
    },
  }

  server.on('connection', (socket) => {
    socket.on('close', () => connections.delete(socket))
    socket.on('message', (data) => {
      const message = fromSupervisorSchema.parse(JSON.parse(String(data)))
      switch (message.type) {
        case 'hello': {
          plane.hellos.push(message)
          connections.add(socket)
          const { kind, token } = message.credential
          if (token !== (kind === 'bootstrap' ? 'bootstrap-token' : 'link-token')) {
            send(socket, {
              type: 'refused',
              code: 'credential_invalid',
              message: 'No such slot.',
              retry: false,
            })
            return
          }
          send(socket, {
            type: 'welcome',
            linkCredential: kind === 'bootstrap' ? 'link-token' : null,
            heartbeatSeconds: 0.5,
            leaseSeconds: plane.leaseSeconds,
            desired: plane.desired,
          })
          return
        }
        case 'heartbeat':
          plane.heartbeats.push(message)
          if (plane.answering)
            send(socket, { type: 'lease', sequence: message.sequence, leaseSeconds: plane.leaseSeconds })
          return
        case 'status':
          plane.statuses.push(message)
          return
        case 'logs':
          plane.logs.push(...message.lines)
      }
    })
  })
  return plane
}
