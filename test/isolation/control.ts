import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { WebSocketServer } from 'ws'
import { type FromGate, fromGateSchema, type Policy, type Report, type ToGate } from '../../gate/protocol.ts'

/** Stands for the control plane: gives the gate its policy and writes down whatever else comes. */
export interface TestControl {
  port: number
  /** Everything that was asked of it but `/gate`: method and path. */
  asked: string[]
  reports: Report[]
  /** Resolves when the gate has it in force, with the milliseconds that took. */
  push(policy: Policy): Promise<number>
  /** While away, nobody gets a policy. */
  setAway(away: boolean): void
  close(): Promise<void>
}

export async function startControl(): Promise<TestControl> {
  const asked: string[] = []
  const reports: Report[] = []
  let policy: Policy = { slots: [] }
  let sequence = 0
  let isAway = false
  let onApplied: (sequence: number) => void = () => undefined
  const server = createServer((request, answer) => {
    asked.push(`${request.method} ${request.url}`)
    answer.end('control')
  })
  const sockets = new WebSocketServer({ noServer: true })
  server.on('upgrade', (request, socket, head) => {
    socket.on('error', () => undefined)
    // Instances never get here: the gate relays no such path. Gates are the only ones with a token.
    const isGate = request.url === '/gate' && request.headers.authorization !== undefined
    if (!isGate) asked.push(`UPGRADE ${request.url}`)
    if (!isGate || isAway) return void socket.destroy()
    sockets.handleUpgrade(request, socket, head, (gate) => {
      gate.on('message', (data) => {
        const message: FromGate = fromGateSchema.parse(JSON.parse(String(data)))
        if (message.type === 'report') reports.push(message)
        else onApplied(message.sequence)
      })
      gate.send(JSON.stringify({ type: 'policy', sequence, policy } satisfies ToGate))
    })
  })
  await new Promise<void>((done) => {
    server.listen(0, '0.0.0.0', done)
  })
  return {
    port: (server.address() as AddressInfo).port,
    asked,
    reports,
    push: (next) => {
      policy = next
      sequence += 1
      const wanted = sequence
      const startedAt = performance.now()
      const applied = new Promise<number>((done) => {
        onApplied = (which) => {
          if (which === wanted) done(performance.now() - startedAt)
        }
      })
      for (const gate of sockets.clients)
        gate.send(JSON.stringify({ type: 'policy', sequence, policy } satisfies ToGate))
      return applied
    },
    setAway: (away) => {
      isAway = away
      if (away) for (const gate of sockets.clients) gate.terminate()
    },
    close: async () => {
      for (const gate of sockets.clients) gate.terminate()
      server.closeAllConnections()
      await new Promise((done) => server.close(done))
    },
  }
}
