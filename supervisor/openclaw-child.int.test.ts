import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, it } from 'vitest'
import { identify, killLeftovers } from './openclaw-child.ts'
import { openSlotFiles } from './slot-files.ts'

const directories: string[] = []
afterEach(() => {
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true, force: true })
})

it.skipIf(process.platform !== 'linux')(
  'waits until what it killed is reaped, which the next OpenClaw would take for alive',
  async () => {
    const directory = mkdtempSync(join(tmpdir(), 'reef-reaped-'))
    directories.push(directory)
    const files = openSlotFiles(directory)
    // What was the shell reaps nothing until it ends.
    const parent = spawn('sh', ['-c', 'sleep 60 & echo $!; exec sleep 2'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    const ended = once(parent, 'exit')
    const [line] = await once(parent.stdout, 'data')
    const pid = Number(String(line))
    files.writeOpenClawProcess(await identify(pid))
    expect(await killLeftovers(files)).toBe(1)
    expect(() => process.kill(pid, 0)).toThrow('ESRCH')
    await ended
  },
)
