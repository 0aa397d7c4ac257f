import { once } from 'node:events'
import { WebSocket } from 'ws'
import {
  type FromSupervisor,
  protocolVersion,
  type ToSupervisor,
  toSupervisorSchema,
} from '../../supervisor/protocol.ts'
import { eventually } from './eventually.ts'

/** A supervisor's end of the link, speaking by hand. */
export interface SupervisorClient {
  readonly socket: WebSocket
  readonly received: ToSupervisor[]
  /** Resolves with the close code. */
  readonly closed: Promise<number>
  send(message: FromSupervisor): void
  /** The newest message of a type, waited for if there is none yet. */
  get<T extends ToSupervisor['type']>(type: T): Promise<Extract<ToSupervisor, { type: T }>>
}

export async function dialLink(
  url: string,
  slotId: string,
  credential: { kind: 'bootstrap' | 'link'; token: string },
  version = protocolVersion,
): Promise<SupervisorClient> {
  const client = await openLink(url)
  client.send({
    type: 'hello',
    protocolVersion: version,
    slotId,
    credential,
    supervisorVersion: '1.2.3',
    openclawVersion: '2026.9.6',
  })
  return client
}

/** Connected, but has not said hello. */
export async function openLink(url: string): Promise<SupervisorClient> {
  const socket = new WebSocket(url, { perMessageDeflate: false })
  const received: ToSupervisor[] = []
  socket.on('message', (data) => received.push(toSupervisorSchema.parse(JSON.parse(String(data)))))
  socket.on('error', () => undefined)
  const closed = new Promise<number>((done) => socket.once('close', done))
  await once(socket, 'open')
  return {
    socket,
    received,
    closed,
    send: (message) => socket.send(JSON.stringify(message)),
    get: (type) =>
      eventually(() => {
        const found = received.findLast((message) => message.type === type)
        if (!found) throw new Error(`no ${type} among ${received.map((message) => message.type).join(', ')}`)
        return found as Extract<ToSupervisor, { type: typeof type }> // found by that type
      }),
  }
}
