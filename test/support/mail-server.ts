import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { SMTPServer } from 'smtp-server'

export interface ReceivedMail {
  to: string[]
  /** Headers and all parts, decoded. */
  text: string
}

export interface TestMailServer {
  readonly url: string
  readonly mails: ReceivedMail[]
  /** What it answers next instead of taking mail. */
  refuse(response: { code: number; message: string } | undefined): void
  close(): Promise<void>
}

/** A real SMTP server that keeps what it is sent. */
export async function startMailServer(): Promise<TestMailServer> {
  const mails: ReceivedMail[] = []
  let refusal: { code: number; message: string } | undefined
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['STARTTLS'],
    logger: false,
    onData: (stream, session, done) => {
      const chunks: Buffer[] = []
      stream.on('data', (chunk: Buffer) => chunks.push(chunk))
      stream.on('end', () => {
        if (refusal) {
          done(Object.assign(new Error(refusal.message), { responseCode: refusal.code }))
          return
        }
        mails.push({
          to: session.envelope.rcptTo.map(({ address }) => address),
          text: decode(Buffer.concat(chunks).toString()),
        })
        done()
      })
    },
  })
  server.on('error', () => undefined)
  server.listen(0, '127.0.0.1')
  await once(server.server, 'listening')
  // Listens on TCP: an address with a port.
  const { port } = server.server.address() as AddressInfo
  return {
    url: `smtp://127.0.0.1:${port}`,
    mails,
    refuse: (response) => {
      refusal = response
    },
    close: () => new Promise((resolve) => server.close(() => resolve())),
  }
}

/** Quoted-printable, as mails with long lines come; other text has no such marks. */
function decode(text: string): string {
  const joined = text.replace(/=\r?\n/g, '')
  return joined.replace(/(?:=[0-9A-F]{2})+/g, (bytes) =>
    Buffer.from(bytes.replaceAll('=', ''), 'hex').toString(),
  )
}
