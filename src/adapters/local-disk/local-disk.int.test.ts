import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { listAll, readAll, sumsOf, testBlobStore } from '../../../test/backups/support/store-contract.ts'
import { BlobDiffers, DraftGap } from '../../domain/backups/blob-store.ts'
import { openLocalDisk } from './local-disk.ts'

const directory = mkdtempSync(join(tmpdir(), 'reef-local-disk-'))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

describe('a local disk', () => {
  testBlobStore(() => openLocalDisk(directory))
})

describe('an upload in parts', () => {
  const store = openLocalDisk(directory)
  const content = Buffer.from('abcdef')

  it('is to be seen only once it is whole', async () => {
    expect(await store.append('draft-1', 0, content.subarray(0, 3))).toBe(3)
    expect(await store.append('draft-1', 3, content.subarray(3))).toBe(6)
    expect(await listAll(store, '')).not.toContainEqual(
      expect.objectContaining({ key: expect.stringContaining('draft') }),
    )
    await store.publish('draft-1', 'parts/1.age', sumsOf(content))
    expect((await readAll(store, 'parts/1.age')).toString()).toBe('abcdef')
  })

  it('takes a part again whose answer was lost', async () => {
    await store.append('draft-2', 0, content.subarray(0, 3))
    await store.append('draft-2', 3, Buffer.from('dxx'))
    await store.append('draft-2', 3, content.subarray(3))
    await store.publish('draft-2', 'parts/2.age', sumsOf(content))
    expect((await readAll(store, 'parts/2.age')).toString()).toBe('abcdef')
  })

  it('refuses a part when one before it is missing', async () => {
    await expect(store.append('draft-3', 3, content)).rejects.toThrow(DraftGap)
    await store.append('draft-3', 0, content.subarray(0, 2))
    await expect(store.append('draft-3', 3, content)).rejects.toThrow(DraftGap)
  })

  it('stays a draft when it is not what it should be', async () => {
    await store.append('draft-4', 0, content)
    await expect(store.publish('draft-4', 'parts/4.age', sumsOf(Buffer.from('other!')))).rejects.toThrow(
      BlobDiffers,
    )
    expect(await listAll(store, 'parts/4')).toEqual([])
    await store.removeAbandoned(new Date(Date.now() + 60_000))
    await expect(store.publish('draft-4', 'parts/4.age', sumsOf(content))).rejects.toThrow(BlobDiffers)
  })
})
