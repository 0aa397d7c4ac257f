import { execFileSync, spawn } from 'node:child_process'
import { mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { readSecretFile, takeDataDirectory } from './data-directory.ts'

describe('data directory', () => {
  let directory: string
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'reef-data-'))
  })
  afterEach(() => rm(directory, { recursive: true }))

  it('refuses a second Reef and names the first', async () => {
    const first = await takeDataDirectory(directory)
    first.describe('http://127.0.0.1:7300')
    await expect(takeDataDirectory(directory)).rejects.toThrow(
      new RegExp(`Another Reef already runs on ${directory} \\(pid ${process.pid}, http://127.0.0.1:7300\\)`),
    )
    await first.release()
    await (await takeDataDirectory(directory)).release()
  })

  it('is free again after kill -9 of its holder', async () => {
    const program = `const { takeDataDirectory } = await import(${JSON.stringify(new URL('./data-directory.ts', import.meta.url).href)});
      await takeDataDirectory(${JSON.stringify(directory)}); console.log('taken'); setInterval(() => {}, 1000)`
    const holder = spawn(process.execPath, ['--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await new Promise((done) => holder.stdout.once('data', done))
    await expect(takeDataDirectory(directory)).rejects.toThrow(`pid ${holder.pid}`)
    const exited = new Promise((done) => holder.once('exit', done))
    holder.kill('SIGKILL')
    await exited
    await (await takeDataDirectory(directory)).release()
  })

  it('says what to do when the path is not a directory', async () => {
    const file = join(directory, 'file')
    await writeFile(file, '')
    await expect(takeDataDirectory(file)).rejects.toThrow(/REEF_DATA_DIR=DIRECTORY/)
  })

  // A full disk takes a file system of its own to make, and that takes root.
  it.skipIf(process.getuid?.() !== 0)('says so when the disk is full', async () => {
    const small = join(directory, 'small')
    await mkdir(small)
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'reef-test', small])
    try {
      await writeFile(join(small, 'filler'), Buffer.alloc(128 * 1024)).catch(() => undefined)
      await expect(takeDataDirectory(small)).rejects.toThrow(
        /disk of .*small is full.*REEF_DATA_DIR=DIRECTORY/,
      )
    } finally {
      execFileSync('umount', [small])
    }
  })

  it('makes one root secret, readable by its owner only, and keeps it', async () => {
    const first = await readSecretFile(directory)
    expect(first.equals(await readSecretFile(directory))).toBe(true)
    expect((await stat(join(directory, 'secret.key'))).mode & 0o777).toBe(0o600)
  })

  it('refuses a damaged root secret instead of making another', async () => {
    await writeFile(join(directory, 'secret.key'), 'abc')
    await expect(readSecretFile(directory)).rejects.toThrow(/is damaged/)
  })
})
