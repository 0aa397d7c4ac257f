import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { expect, it } from 'vitest'
import {
  BlobDiffers,
  type BlobInfo,
  BlobMissing,
  type BlobStore,
} from '../../../src/domain/backups/blob-store.ts'

export function sumsOf(content: Buffer): { bytes: number; sha256: string } {
  return { bytes: content.length, sha256: createHash('sha256').update(content).digest('hex') }
}

export async function readAll(store: BlobStore, key: string): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of await store.get(key)) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

export async function listAll(store: BlobStore, prefix: string): Promise<BlobInfo[]> {
  const found: BlobInfo[] = []
  for await (const info of store.list(prefix)) found.push(info)
  return found
}

async function keysOf(store: BlobStore, prefix: string): Promise<string[]> {
  return (await listAll(store, prefix)).map(({ key }) => key)
}

/** What every blob store must do, alike for all of them. */
export function testBlobStore(open: () => BlobStore): void {
  const put = (key: string, content: Buffer) => open().put(key, Readable.from([content]), sumsOf(content))
  /** Above one part of any store. */
  const large = Buffer.alloc(40 * 1024 * 1024, 'reef')

  it('gives back what was put', async () => {
    await put('ada/one.age', Buffer.from('one'))
    expect((await readAll(open(), 'ada/one.age')).toString()).toBe('one')
  })

  it('takes nothing at all', async () => {
    await put('ada/empty.age', Buffer.alloc(0))
    expect(await readAll(open(), 'ada/empty.age')).toHaveLength(0)
  })

  it('takes what is larger than a part, from a stream of odd pieces', async () => {
    const pieces = async function* () {
      for (let at = 0; at < large.length; at += 1_000_003) yield large.subarray(at, at + 1_000_003)
    }
    await open().put('ada/large.age', Readable.from(pieces()), sumsOf(large))
    expect(sumsOf(await readAll(open(), 'ada/large.age'))).toEqual(sumsOf(large))
    await open().delete('ada/large.age')
  })

  it('overwrites as a whole', async () => {
    await put('ada/twice.age', Buffer.from('first, and longer'))
    await put('ada/twice.age', Buffer.from('second'))
    expect((await readAll(open(), 'ada/twice.age')).toString()).toBe('second')
  })

  it('says that there is nothing', async () => {
    await expect(open().get('ada/none.age')).rejects.toThrow(BlobMissing)
  })

  it('deletes, and takes absence for success', async () => {
    await put('ada/gone.age', Buffer.from('gone'))
    await open().delete('ada/gone.age')
    await open().delete('ada/gone.age')
    await expect(open().get('ada/gone.age')).rejects.toThrow(BlobMissing)
  })

  it('lists by prefix, in order, with sizes', async () => {
    for (const key of ['grace/2.age', 'grace/1.age', 'graceful/3.age']) await put(key, Buffer.from(key))
    expect(await keysOf(open(), 'grace/')).toEqual(['grace/1.age', 'grace/2.age'])
    const [first] = await listAll(open(), 'grace/')
    expect(first?.bytes).toBe('grace/1.age'.length)
    expect(Math.abs(Date.now() - (first?.modifiedAt.getTime() ?? 0))).toBeLessThan(60_000)
    expect(await keysOf(open(), 'nobody/')).toEqual([])
  })

  it.each([
    ['small', Buffer.from('small')],
    ['large', large],
  ])('publishes nothing of what differs from what was expected (%s)', async (name, content) => {
    const key = `ada/wrong-${name}.age`
    const wrong = { ...sumsOf(content), sha256: sumsOf(Buffer.from('other')).sha256 }
    await expect(open().put(key, Readable.from([content]), wrong)).rejects.toThrow(BlobDiffers)
    const longer = { ...sumsOf(content), bytes: content.length + 1 }
    await expect(open().put(key, Readable.from([content]), longer)).rejects.toThrow(BlobDiffers)
    expect(await keysOf(open(), key)).toEqual([])
  })

  it('publishes nothing of a stream that breaks off', async () => {
    const broken = async function* () {
      yield large.subarray(0, 20 * 1024 * 1024)
      throw new Error('the line is down')
    }
    await expect(open().put('ada/broken.age', Readable.from(broken()), sumsOf(large))).rejects.toThrow(
      'the line is down',
    )
    expect(await keysOf(open(), 'ada/broken')).toEqual([])
    await open().removeAbandoned(new Date(Date.now() + 60_000))
  })

  it('takes nothing for a key that would lead elsewhere', async () => {
    for (const key of ['../up.age', '/root.age', 'a//b', 'a/../b', '.drafts/x', 'a/.hidden', '', 'a\0b'])
      await expect(put(key, Buffer.from('x'))).rejects.toThrow('is not a key')
  })
}
