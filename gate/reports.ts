import type { Socket } from 'node:net'
import type { DeniedReason, Report } from './protocol.ts'

/** What happened since the last report; bounded, so that nobody fills the gate's memory with names. */
export interface Reports {
  denied(slotId: string, attempt: { host: string; port: number; reason: DeniedReason }): void
  /** Counts what flows through a connection to the outside until it closes. */
  count(slotId: string, upstream: Socket): void
  /** Undefined when there is nothing to say. */
  take(): Report | undefined
  /** Keeps a report that could not be sent. */
  putBack(report: Report): void
}

type Denied = Report['denied'][number]

const deniedPerSlotMax = 100
const deniedMax = 5_000

export function createReports(): Reports {
  let denied = new Map<string, Denied>()
  const deniedBySlot = new Map<string, number>()
  const traffic = new Map<string, { sentBytes: number; receivedBytes: number }>()
  const counted = new Set<() => void>()

  const addDenied = (one: Denied): void => {
    const key = JSON.stringify([one.slotId, one.host, one.port, one.reason])
    const known = denied.get(key)
    if (known) {
      known.attempts += one.attempts
      return
    }
    const ofSlot = deniedBySlot.get(one.slotId) ?? 0
    if (ofSlot >= deniedPerSlotMax || denied.size >= deniedMax) return
    deniedBySlot.set(one.slotId, ofSlot + 1)
    denied.set(key, { ...one })
  }
  const addTraffic = (slotId: string, sentBytes: number, receivedBytes: number): void => {
    const sum = traffic.get(slotId) ?? { sentBytes: 0, receivedBytes: 0 }
    traffic.set(slotId, {
      sentBytes: sum.sentBytes + sentBytes,
      receivedBytes: sum.receivedBytes + receivedBytes,
    })
  }

  return {
    denied: (slotId, attempt) => addDenied({ slotId, ...attempt, attempts: 1 }),
    count: (slotId, upstream) => {
      let sent = 0
      let received = 0
      const tally = (): void => {
        const { bytesWritten, bytesRead } = upstream
        if (bytesWritten === sent && bytesRead === received) return
        addTraffic(slotId, bytesWritten - sent, bytesRead - received)
        sent = bytesWritten
        received = bytesRead
      }
      counted.add(tally)
      upstream.once('close', () => {
        counted.delete(tally)
        tally()
      })
    },
    take: () => {
      for (const tally of counted) tally()
      if (denied.size === 0 && traffic.size === 0) return undefined
      const report: Report = {
        type: 'report',
        denied: [...denied.values()],
        traffic: [...traffic].map(([slotId, bytes]) => ({ slotId, ...bytes })),
      }
      denied = new Map()
      deniedBySlot.clear()
      traffic.clear()
      return report
    },
    putBack: (report) => {
      for (const one of report.denied) addDenied(one)
      for (const one of report.traffic) addTraffic(one.slotId, one.sentBytes, one.receivedBytes)
    },
  }
}
