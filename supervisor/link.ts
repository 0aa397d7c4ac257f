import WebSocket from 'ws'
import { backoffMs } from './backoff.ts'
import type { Control } from './environment.ts'
import type { LogBuffer } from './log-buffer.ts'
import {
  type Desired,
  type FromSupervisor,
  linkMessageBytesMax,
  protocolVersion,
  toSupervisorSchema,
} from './protocol.ts'
import type { Served } from './served-clock.ts'
import type { SlotFiles } from './slot-files.ts'

export type Status = Omit<Extract<FromSupervisor, { type: 'status' }>, 'type' | 'served'>
export type Usage = Pick<
  Extract<FromSupervisor, { type: 'heartbeat' }>,
  'memoryBytes' | 'cpuPercent' | 'turnsInFlight' | 'activeAt' | 'nextWakeAt'
>

/** The supervisor's end of the link: dials for ever, reports, and says when the lease has run out. */
export interface Link {
  start(): void
  /** Sends the current status if it differs from the last one sent. Cheap: call after every change. */
  statusChanged(): void
  /** New lines are in the buffer. */
  logsChanged(): void
  /** Sends what waits, at most `waitMs` long, and closes for good. */
  close(waitMs: number): Promise<void>
}

export interface LinkDependencies {
  files: SlotFiles
  logs: LogBuffer
  openclawVersion: string
  supervisorVersion: string
  readControl(): Control
  log(text: string): void
  readStatus(): Status
  readUsage(): Promise<Usage>
  readServed(): Served
  onDesired(desired: Desired): void
  /** Something to be done once; what it resolves with is the answer. */
  onCall(method: string, params: unknown): Promise<unknown>
  /** The control plane will never take this slot again, or the lease has run out. Called at most once. */
  onOver(reason: string): void
}

const dialLimits = { minMs: 100, maxMs: 5_000 }
const handshakeMaxMs = 10_000
const logDelayMs = 100
const logLinesMax = 500
/** Half of what a message may hold, for JSON's own characters and escapes. */
const logCharactersMax = linkMessageBytesMax / 2
/** Logs wait while more than this is still unsent, so that heartbeats never queue behind them. */
const unsentBytesMax = 1024 * 1024
const leaseTickMs = 1_000
/** After a pause of the whole machine the control plane gets this long to renew a lease that ran out meanwhile. */
const thawGraceMs = 15_000
/** A control plane that still has the link answers a ping well within this. */
const thawAnswerMs = 3_000

export function createLink(deps: LinkDependencies): Link {
  const { files, logs, log } = deps
  let socket: WebSocket | null = null
  let welcomed = false
  let closing = false
  let attempt = 0
  let dialTimer: NodeJS.Timeout | undefined
  let heartbeatTimer: NodeJS.Timeout | undefined
  let logTimer: NodeJS.Timeout | undefined
  let lastStatus = ''
  // Monotonic milliseconds; null until the first welcome, because before it nothing runs that could spend.
  let leaseEndsAt: number | null = null
  let lastTickAt = performance.now()
  let over = false
  let measuring = false

  function end(reason: string): void {
    if (over || closing) return
    over = true
    deps.onOver(reason)
  }

  function renewLease(seconds: number): void {
    leaseEndsAt = performance.now() + seconds * 1000
  }

  const leaseTimer = setInterval(() => {
    const now = performance.now()
    const frozen = now - lastTickAt > leaseTickMs * 5
    lastTickAt = now
    if (leaseEndsAt === null) return
    // A suspended machine spent nothing; it must not stop itself the moment it wakes.
    if (frozen) {
      leaseEndsAt = Math.max(leaseEndsAt, now + thawGraceMs)
      thaw()
    }
    if (now > leaseEndsAt) end('The lease has run out: the control plane could not be reached in time.')
  }, leaseTickMs)

  /** Nobody knows whether the other end still holds a connection that was silent for so long: it is asked at once. */
  function thaw(): void {
    const asked = socket
    if (!asked || !welcomed) return
    const patience = setTimeout(() => asked.terminate(), thawAnswerMs)
    for (const event of ['message', 'pong', 'close'] as const) asked.once(event, () => clearTimeout(patience))
    asked.ping()
    void beat()
  }

  function dial(): void {
    if (closing || over) return
    let control: Control
    try {
      control = deps.readControl()
    } catch (error) {
      log(error instanceof Error ? error.message : String(error))
      scheduleDial()
      return
    }
    const dialled = new WebSocket(control.linkUrl, {
      maxPayload: linkMessageBytesMax,
      handshakeTimeout: handshakeMaxMs,
      perMessageDeflate: false,
    })
    socket = dialled
    // A control plane that accepts the connection and then says nothing.
    const patience = setTimeout(() => dialled.terminate(), handshakeMaxMs)
    dialled.on('open', () => sendHello(control))
    dialled.on('message', (data) => {
      const message = parseMessage(String(data))
      if (message?.type === 'welcome' || message?.type === 'refused') clearTimeout(patience)
      if (message) receive(message)
    })
    // `close` follows and does the rest.
    dialled.on('error', (error) => {
      if (attempt === 0) log(`The link failed: ${error.message}`)
    })
    dialled.on('close', () => {
      clearTimeout(patience)
      clearInterval(heartbeatTimer)
      if (welcomed && !closing) log('The link is down; dialling again.')
      welcomed = false
      lastStatus = ''
      socket = null
      scheduleDial()
    })
  }

  function scheduleDial(): void {
    if (closing || over) return
    dialTimer = setTimeout(dial, backoffMs(attempt, dialLimits))
    attempt += 1
  }

  function sendHello(control: Control): void {
    const saved = files.readLinkCredential()
    const token = saved ?? control.bootstrapToken
    if (token === null)
      log('There is neither a link credential nor a bootstrap token: the control plane will refuse.')
    send({
      type: 'hello',
      protocolVersion,
      slotId: control.slotId,
      credential: { kind: saved === null ? 'bootstrap' : 'link', token: token ?? '' },
      supervisorVersion: deps.supervisorVersion,
      openclawVersion: deps.openclawVersion,
    })
  }

  function receive(message: NonNullable<ReturnType<typeof parseMessage>>): void {
    switch (message.type) {
      case 'welcome':
        attempt = 0
        welcomed = true
        if (message.linkCredential !== null) files.writeLinkCredential(message.linkCredential)
        renewLease(message.leaseSeconds)
        clearInterval(heartbeatTimer)
        heartbeatTimer = setInterval(() => void beat(), message.heartbeatSeconds * 1000)
        deps.onDesired(message.desired)
        sendStatus()
        sendLogs()
        void beat()
        return
      case 'refused':
        log(`The control plane refuses this slot (${message.code}): ${message.message}`)
        if (!message.retry) end(`Refused for good: ${message.message}`)
        return
      case 'desired':
        deps.onDesired(message.desired)
        return
      case 'lease':
        renewLease(message.leaseSeconds)
        return
      case 'call':
        void answerCall(message.id, message.method, message.params)
        return
      default:
        message satisfies never
    }
  }

  async function answerCall(id: string, method: string, params: unknown): Promise<void> {
    try {
      send({ type: 'result', id, value: await deps.onCall(method, params) })
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error)
      send({ type: 'result', id, error: { code: 'failed', message } })
    }
  }

  async function beat(): Promise<void> {
    // A busy machine measures slowly; the next beat then comes with the next interval.
    if (measuring) return
    measuring = true
    const usage = await deps.readUsage().finally(() => {
      measuring = false
    })
    if (!welcomed) return
    const sequence = files.readMemory().heartbeatSequence + 1
    const served = deps.readServed()
    // A disk that takes nothing does not keep it from beating, or its lease would run out. Should it be killed before
    // the disk takes this, it goes on from an older count: the control plane compares sequences within one link only,
    // and of what was served takes only what exceeds what it has been told. So nobody is charged for it twice; what was
    // served since the last write may be charged to nobody.
    files.updateMemory({ heartbeatSequence: sequence, servedMs: served.ms })
    send({ type: 'heartbeat', sequence, at: new Date().toISOString(), ...usage, served })
  }

  function sendStatus(always = false): void {
    const status = deps.readStatus()
    const text = JSON.stringify(status)
    if (!welcomed || (text === lastStatus && !always)) return
    lastStatus = text
    const served = deps.readServed()
    files.updateMemory({ servedMs: served.ms })
    send({ type: 'status', ...status, served })
  }

  function sendLogs(): void {
    logTimer = undefined
    while (welcomed && socket && logs.length > 0 && socket.bufferedAmount < unsentBytesMax) {
      const lines = logs.peek(logLinesMax, logCharactersMax)
      send({ type: 'logs', lines })
      logs.drop(lines.length)
    }
    if (welcomed && logs.length > 0) scheduleLogs()
  }

  function scheduleLogs(): void {
    logTimer ??= setTimeout(sendLogs, logDelayMs)
  }

  function send(message: FromSupervisor): void {
    if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message))
  }

  return {
    start: dial,
    statusChanged: () => sendStatus(),
    logsChanged: () => {
      if (welcomed) scheduleLogs()
    },
    async close(waitMs) {
      closing = true
      clearInterval(leaseTimer)
      clearInterval(heartbeatTimer)
      clearTimeout(dialTimer)
      clearTimeout(logTimer)
      const open = socket
      files.updateMemory({ servedMs: deps.readServed().ms })
      if (!open) return
      // The last word on how long it has served.
      sendStatus(true)
      sendLogs()
      clearTimeout(logTimer)
      await new Promise<void>((done) => {
        const patience = setTimeout(done, waitMs)
        open.once('close', () => {
          clearTimeout(patience)
          done()
        })
        open.close(1000)
      })
      open.terminate()
    },
  }
}

function parseMessage(text: string) {
  try {
    // What a newer control plane adds is ignored, as protocol.ts promises.
    return toSupervisorSchema.safeParse(JSON.parse(text)).data
  } catch {
    return undefined
  }
}
