import { createSocket, type Socket } from 'node:dgram'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createResolver } from './resolver.ts'

// A name server on the loopback that knows one name, says that others do not exist, and fails for one.
let server: Socket
let address: string

const type = { A: 1, CNAME: 5, TXT: 16 }

beforeAll(async () => {
  server = createSocket('udp4')
  server.on('message', (query, peer) => server.send(answer(query), peer.port, peer.address))
  await new Promise<void>((done) => server.bind(0, '127.0.0.1', done))
  address = `127.0.0.1:${server.address().port}`
})
afterAll(() => server.close())

test('records come in the spelling that is compared', async () => {
  const resolver = createResolver({ servers: [address] })
  expect(await resolver.txt('known.test')).toEqual(['reef-verify=abc'])
  expect(await resolver.cname('known.test')).toEqual(['ada.reef.example'])
})

test('what is not there is an empty list, and what nobody could say an error', async () => {
  const resolver = createResolver({ servers: [address] })
  expect(await resolver.txt('missing.test')).toEqual([])
  expect(await resolver.addresses('missing.test')).toEqual([])
  await expect(resolver.txt('failing.test')).rejects.toMatchObject({ code: 'ESERVFAIL' })
})

function answer(query: Buffer): Buffer {
  let end = 12
  const labels: string[] = []
  while (query[end] !== 0) {
    const length = query[end] as number
    labels.push(query.toString('latin1', end + 1, end + 1 + length))
    end += 1 + length
  }
  const kind = query.readUInt16BE(end + 1)
  const question = query.subarray(12, end + 5)
  const name = labels.join('.').toLowerCase()
  const data = name === 'known.test' ? dataOf(kind) : undefined
  const code = name === 'failing.test' ? 2 : name === 'known.test' ? 0 : 3
  const head = Buffer.alloc(12)
  head.writeUInt16BE(query.readUInt16BE(0), 0)
  head.writeUInt16BE(0x8180 | code, 2)
  head.writeUInt16BE(1, 4)
  head.writeUInt16BE(data ? 1 : 0, 6)
  if (!data) return Buffer.concat([head, question])
  const record = Buffer.alloc(12)
  record.writeUInt16BE(0xc00c, 0)
  record.writeUInt16BE(kind, 2)
  record.writeUInt16BE(1, 4)
  record.writeUInt16BE(data.length, 10)
  return Buffer.concat([head, question, record, data])
}

function dataOf(kind: number): Buffer | undefined {
  const text = (part: string): Buffer => Buffer.concat([Buffer.from([part.length]), Buffer.from(part)])
  // One record in two strings, as long ones come.
  if (kind === type.TXT) return Buffer.concat([text('reef-ver'), text('ify=abc')])
  if (kind === type.CNAME) return Buffer.concat([...['ADA', 'reef', 'example'].map(text), Buffer.from([0])])
  return undefined
}
