import { Duplex } from 'node:stream'
import { connect } from 'node:tls'
import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { readServerName } from './client-hello.ts'

/** What Node's own TLS sends first. */
function realHello(servername: string | undefined): Promise<Buffer> {
  return new Promise((done) => {
    const wire = new Duplex({
      read: () => undefined,
      write: (chunk: Buffer, _, written) => {
        done(chunk)
        written()
      },
    })
    connect({ socket: wire, ...(servername ? { servername } : {}) }).on('error', () => undefined)
  })
}

/** The same handshake message cut into records of these sizes. */
function recut(hello: Buffer, size: number): Buffer {
  const message = hello.subarray(5)
  const records: Buffer[] = []
  for (let offset = 0; offset < message.length; offset += size) {
    const part = message.subarray(offset, offset + size)
    const header = Buffer.from([22, 3, 1, 0, 0])
    header.writeUInt16BE(part.length, 3)
    records.push(header, part)
  }
  return Buffer.concat(records)
}

const sized = (bytes: number, body: Buffer): Buffer => {
  const size = Buffer.alloc(bytes)
  size.writeUIntBE(body.length, 0, bytes)
  return Buffer.concat([size, body])
}

/** A ClientHello with nothing but these lists of server names. */
function madeHello(lists: string[][]): Buffer {
  const extensions = lists.map((names) => {
    const entries = names.map((name) => Buffer.concat([Buffer.from([0]), sized(2, Buffer.from(name))]))
    return Buffer.concat([Buffer.from([0, 0]), sized(2, sized(2, Buffer.concat(entries)))])
  })
  const body = Buffer.concat([
    Buffer.from([3, 3]),
    Buffer.alloc(32),
    sized(1, Buffer.alloc(0)),
    sized(2, Buffer.from([0x13, 0x01])),
    sized(1, Buffer.from([0])),
    sized(2, Buffer.concat(extensions)),
  ])
  return Buffer.concat([Buffer.from([22, 3, 1]), sized(2, Buffer.concat([Buffer.from([1]), sized(3, body)]))])
}

let hello: Buffer
beforeAll(async () => {
  hello = await realHello('api.example.com')
})

describe('a ClientHello', () => {
  it('names its server, however it is cut into records', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 600 }), (size) => {
        expect(readServerName(recut(hello, size))).toEqual({ kind: 'name', name: 'api.example.com' })
      }),
    )
  })

  it('is waited for while it is not whole, and never read from a part', () => {
    for (let length = 0; length < hello.length; length++)
      expect([length, readServerName(hello.subarray(0, length))]).toEqual([length, { kind: 'more' }])
  })

  it('without a server name has none', async () => {
    expect(readServerName(await realHello(undefined))).toEqual({ kind: 'none' })
  })

  it('with two names, in one list or in two, has none', () => {
    expect(readServerName(madeHello([['one.test']]))).toEqual({ kind: 'name', name: 'one.test' })
    expect(readServerName(madeHello([['one.test', 'two.test']]))).toEqual({ kind: 'none' })
    expect(readServerName(madeHello([['one.test'], ['two.test']]))).toEqual({ kind: 'none' })
  })

  it('with a null byte or another strange one in its name has none', () => {
    const named = (name: string): Buffer => {
      const other = Buffer.from(hello)
      other.write(name, other.indexOf('api.example.com'), 'latin1')
      return other
    }
    expect(readServerName(named('evil.test\0.com '))).toEqual({ kind: 'none' })
    expect(readServerName(named('api.example.co@'))).toEqual({ kind: 'none' })
  })

  it('with any byte changed never ends in anything but an answer', () => {
    fc.assert(
      fc.property(fc.nat(hello.length - 1), fc.integer({ min: 0, max: 255 }), (at, byte) => {
        const changed = Buffer.from(hello)
        changed[at] = byte
        expect(['more', 'name', 'none']).toContain(readServerName(changed).kind)
      }),
      { numRuns: 2_000 },
    )
  })
})

it('other protocols have no server name', () => {
  for (const text of ['GET / HTTP/1.1\r\n', 'SSH-2.0-OpenSSH\r\n', 'CONNECT x:1 HTTP/1.1\r\n', '\0\0\0'])
    expect(readServerName(Buffer.from(text))).toEqual({ kind: 'none' })
})

it('a message that never ends is given up', () => {
  const header = Buffer.from([22, 3, 1, 0x40, 0, 1, 0xff, 0xff, 0xff])
  expect(readServerName(header)).toEqual({ kind: 'none' })
})
