import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { statfs } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import Docker from 'dockerode'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { requireComponent } from '../../../../test/support/components.ts'
import { eventually } from '../../../../test/support/eventually.ts'
import { createHostMemory, type HostMemory } from './host-memory.ts'
import { isRootOfHost, runInContainer, runLocally } from './run-on-host.ts'

const docker = requireComponent('docker')
const run = promisify(execFile)
const mebibyte = 1024 ** 2
const heldMebibytes = 96

/** Swap of its own, so that the test needs none of the machine's; only root can make it. */
async function addSwap(directory: string): Promise<() => Promise<void>> {
  const file = join(directory, 'swap')
  await run('fallocate', ['-l', `${heldMebibytes * 4}M`, file])
  await run('chmod', ['600', file])
  await run('mkswap', [file])
  await run('swapon', ['--priority', '32000', file])
  return async () => void (await run('swapoff', [file]))
}

describe.skipIf(!docker || !isRootOfHost())('the memory of a container', () => {
  const directory = mkdtempSync(join(tmpdir(), 'reef-swap-'))
  let removeSwap: (() => Promise<void>) | undefined
  let id = ''
  const onHost = createHostMemory(runLocally)
  const throughContainer = createHostMemory(
    runInContainer(new Docker({ socketPath: '/var/run/docker.sock' }), 'reef-base:local', {
      'reef.test': '1',
    }),
  )
  const ways: [string, HostMemory][] = [
    ['as root of the host', onHost],
    ['through a helper container', throughContainer],
  ]
  const command = async (...words: string[]) => (await run(docker as string, words)).stdout.trim()

  beforeAll(async () => {
    removeSwap = await addSwap(directory)
    // Data that does not compress to nothing, in the way of a heap: many buffers, all touched.
    const program = `const held = []; for (let i = 0; i < ${heldMebibytes}; i++) {
      const buffer = Buffer.alloc(1 << 20); require('crypto').randomFillSync(buffer); held.push(buffer) }
      const sum = () => held.reduce((all, buffer) => all + buffer[4096] + buffer[90000], 0); const before = sum()
      console.log('ready'); process.on('SIGUSR1', () => console.log(sum() === before ? 'intact' : 'damaged'))
      setInterval(() => {}, 1000)`
    const mounts = ['-v', `${process.execPath}:/node:ro`]
    id = await command(
      ...['run', '-d', '--label', 'reef.test=1', '--network', 'none', '-m', '512m', ...mounts],
      ...['reef-base:local', '/node', '-e', program],
    )
    await eventually(async () => expect(await command('logs', id)).toContain('ready'))
  })
  afterAll(async () => {
    if (id) await command('rm', '-f', id)
    await removeSwap?.()
    rmSync(directory, { recursive: true, force: true })
  })

  const held = async (memory: HostMemory) => (await memory.use([id])).get(id)

  test.each(ways)('leaves RAM while it is paused and comes back whole, %s', async (_, memory) => {
    const before = await held(memory)
    expect((before?.residentBytes ?? 0) + (before?.swappedBytes ?? 0)).toBeGreaterThan(
      heldMebibytes * mebibyte,
    )
    await command('pause', id)
    const frozen = await memory.freeze(id, 'memory')
    expect(frozen.residentBytes).toBeLessThan(16 * mebibyte)
    expect(frozen.swappedBytes).toBeGreaterThan(heldMebibytes * mebibyte)
    // Again, and further, is harmless.
    expect((await memory.freeze(id, 'disk')).residentBytes).toBeLessThan(16 * mebibyte)
    await command('unpause', id)
    const answers = (await command('logs', id)).length
    await command('kill', '-s', 'USR1', id)
    await eventually(async () => expect((await command('logs', id)).length).toBeGreaterThan(answers))
    expect(await command('logs', id)).not.toContain('damaged')
  })

  test.each(ways)('of a running one is trimmed to what it works with, %s', async (_, memory) => {
    const limit = await command('exec', id, 'cat', '/sys/fs/cgroup/memory/memory.limit_in_bytes').catch(
      () => '',
    )
    const trimmed = await memory.trim(id, 48 * mebibyte)
    expect(trimmed.residentBytes).toBeLessThanOrEqual(56 * mebibyte)
    expect(await command('inspect', '-f', '{{.State.Status}}', id)).toBe('running')
    expect(
      await command('exec', id, 'cat', '/sys/fs/cgroup/memory/memory.limit_in_bytes').catch(() => ''),
    ).toBe(limit)
    await command('kill', '-s', 'USR1', id)
    await eventually(async () =>
      expect((await held(memory))?.residentBytes).toBeGreaterThan(trimmed.residentBytes),
    )
  })

  test.each(ways)('is told of all at once, without those that are gone, %s', async (_, memory) => {
    const gone = 'f'.repeat(64)
    expect([...(await memory.use([gone, id])).keys()]).toEqual([id])
    await expect(memory.trim(gone, mebibyte)).rejects.toThrow(/not found/)
    await expect(memory.use(['; rm -rf /'])).rejects.toThrow(/not a container/)
  })

  test.each(ways)('stands beside the host’s own, %s', async (_, memory) => {
    const facts = await memory.facts()
    expect(facts.memoryTotalBytes).toBeGreaterThan(facts.memoryAvailableBytes)
    expect(facts.swapTotalBytes).toBeGreaterThanOrEqual(heldMebibytes * mebibyte)
    expect(facts.cpus).toBeGreaterThan(0)
    // The same disk, whichever way it is looked at: the helper's own root lies on it.
    const { blocks, bsize } = await statfs('/var/lib/docker')
    expect(facts.diskTotalBytes).toBe(blocks * bsize)
    expect(facts.diskFreeBytes).toBeGreaterThan(0)
    for (const check of await memory.preflight()) expect(check.detail).toMatch(/\S/)
  })
})
