import { createHash, generateKeyPairSync, sign } from 'node:crypto'
import WebSocket from 'ws'
import type { createRealSlot } from './real-slot.ts'

export interface OpenedControlUi {
  /** OpenClaw let this browser in as an operator. */
  connected: boolean
  /** It sent `connect.challenge`, so that the upgrade went through. */
  challenged: boolean
  /** Of an upgrade that was refused. */
  status?: number
  scopes?: string[]
  error?: string
}

/** Does over WebSocket what the Control UI's page does in a browser that was never here before. */
export async function openControlUi(
  slot: ReturnType<typeof createRealSlot>,
  user: string,
  origin: string,
): Promise<OpenedControlUi> {
  const headers = { ...slot.headers('ui'), 'x-reef-user': user, origin, host: new URL(origin).host }
  // The page carries the build that served it, with a digest behind it; OpenClaw refuses any other build.
  const page = await fetch(slot.address(), { headers: { ...slot.headers('ui'), 'x-reef-user': user } })
  const buildId = /control-ui-build-id="([^"]+?)(-[0-9a-f]{64})?"/.exec(await page.text())?.[1]
  return new Promise((resolve) => {
    const opened: OpenedControlUi = { connected: false, challenged: false }
    const socket = new WebSocket(slot.address().replace('http', 'ws'), { headers })
    socket.on('unexpected-response', (_, response) => {
      opened.status = response.statusCode
      socket.terminate()
    })
    socket.on('error', () => undefined)
    socket.on('close', () => resolve(opened))
    socket.on('message', (data) => {
      const frame = JSON.parse(String(data))
      if (frame.event === 'connect.challenge') {
        opened.challenged = true
        socket.send(JSON.stringify(connectFrame(frame.payload, buildId)))
      } else if (frame.type === 'res') {
        opened.connected = frame.ok
        opened.scopes = frame.payload?.auth?.scopes
        opened.error = frame.error?.message
        socket.close()
      }
    })
  })
}

function connectFrame(challenge: { nonce: string; ts: number }, buildId: string | undefined): object {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const rawKey = publicKey.export({ type: 'spki', format: 'der' }).subarray(-32)
  const id = createHash('sha256').update(rawKey).digest('hex')
  const scopes = ['operator.read', 'operator.write', 'operator.approvals', 'operator.questions']
  const client = { id: 'openclaw-control-ui', version: '1', platform: 'web', mode: 'webchat', buildId }
  const signed = [
    'v2',
    id,
    client.id,
    client.mode,
    'operator',
    scopes,
    challenge.ts,
    '',
    challenge.nonce,
  ].join('|')
  const device = {
    id,
    publicKey: rawKey.toString('base64url'),
    signature: sign(null, Buffer.from(signed), privateKey).toString('base64url'),
    signedAt: challenge.ts,
    nonce: challenge.nonce,
  }
  const params = { minProtocol: 4, maxProtocol: 4, client, role: 'operator', scopes, caps: [], device }
  return { type: 'req', id: '1', method: 'connect', params }
}
