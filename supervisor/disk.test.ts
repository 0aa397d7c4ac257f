import { linkSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createDiskWatch, type DiskWatch, measureDirectory } from './disk.ts'

const mebibyte = 1024 ** 2
let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'reef-disk-'))
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

const write = (path: string, mebibytes: number) =>
  writeFileSync(join(directory, path), Buffer.alloc(mebibytes * mebibyte, 1))
const measured = async (...given: Parameters<typeof measureDirectory> | []) =>
  (await measureDirectory(given[0] ?? directory, given[1])).bytes / mebibyte

describe('measuring', () => {
  it('counts what is written, at any depth, and names the largest file', async () => {
    mkdirSync(join(directory, 'workspace/deep'), { recursive: true })
    write('workspace/small', 1)
    write('workspace/deep/large', 3)
    const use = await measureDirectory(directory)
    expect(use.bytes / mebibyte).toBeCloseTo(4, 1)
    expect(use.largest?.path).toBe('workspace/deep/large')
  })

  it('counts a sparse file by what it takes up, a second name of a file not at all, and follows no link', async () => {
    write('file', 1)
    linkSync(join(directory, 'file'), join(directory, 'again'))
    writeFileSync(join(directory, 'sparse'), '')
    truncateSync(join(directory, 'sparse'), 1024 * mebibyte)
    symlinkSync('/', join(directory, 'everything'))
    expect(await measured()).toBeCloseTo(1, 1)
  })

  it('counts empty files, of which a disk holds only so many', async () => {
    for (let file = 0; file < 512; file++) writeFileSync(join(directory, String(file)), '')
    expect(await measured()).toBeGreaterThan(1.9)
  })

  it('leaves out what it is told to, and nothing of the same name elsewhere', async () => {
    mkdirSync(join(directory, 'restore'))
    mkdirSync(join(directory, 'workspace/restore'), { recursive: true })
    write('restore/tree', 4)
    write('workspace/restore/mine', 1)
    expect(await measured(directory, { exempt: ['restore'] })).toBeCloseTo(1, 1)
  })

  it('takes a directory that is not there for empty', async () => {
    expect(await measured(join(directory, 'none'))).toBe(0)
  })
})

describe('the watch', () => {
  const watches: DiskWatch[] = []
  afterEach(() => {
    for (const watch of watches.splice(0)) watch.close()
  })
  const start = (mebibytes: number | null, exempt: string[] = []) => {
    const seen = { full: [] as string[], lines: [] as string[], bytesMax: mebibytes && mebibytes * mebibyte }
    watches.push(
      createDiskWatch({
        directory,
        readBytesMax: () => seen.bytesMax,
        readExempt: () => exempt,
        onFull: (message) => seen.full.push(message),
        log: (line) => seen.lines.push(line),
        pollMs: 5,
        overshootBytesMax: 8 * mebibyte,
      }),
    )
    return seen
  }
  const patience = { timeout: 15_000, interval: 20 }

  it('says once what takes up too much, and where it lies', async () => {
    const seen = start(8)
    write('workspace.log', 20)
    await vi.waitFor(() => expect(seen.full).toHaveLength(1), patience)
    expect(seen.full[0]).toBe(
      'It takes up 0.0 GB of disk and may use 0.0 GB, so it was stopped. Its largest file: workspace.log (0.0 GB).',
    )
    write('more', 20)
    await new Promise((done) => setImmediate(done))
    expect(seen.full).toHaveLength(1)
  })

  it('warns in the log before it is too late', async () => {
    write('file', 19)
    const seen = start(20)
    await vi.waitFor(() => expect(seen.lines).toHaveLength(1), patience)
    expect(seen.full).toEqual([])
  })

  it('lets one that starts above its limit remove something, and not go on filling', async () => {
    write('file', 12)
    const seen = start(10)
    await vi.waitFor(() => expect(seen.lines).toHaveLength(1), patience)
    expect(seen.full).toEqual([])
    write('more', 140)
    await vi.waitFor(() => expect(seen.full).toHaveLength(1), patience)
  })

  it('does not start one that is far above its limit', async () => {
    write('file', 30)
    const seen = start(10)
    await vi.waitFor(() => expect(seen.full).toHaveLength(1), patience)
  })

  it('begins once somebody has said how much there may be', async () => {
    write('file', 30)
    const seen = start(null)
    seen.bytesMax = 10 * mebibyte
    await vi.waitFor(() => expect(seen.full).toHaveLength(1), patience)
  })

  it('does not hold a name against anybody’s terminal', async () => {
    writeFileSync(join(directory, '\u001b[31mred\n'), Buffer.alloc(30 * mebibyte, 1))
    const seen = start(10)
    await vi.waitFor(() => expect(seen.full[0]).toContain('?[31mred?'), patience)
  })
})
