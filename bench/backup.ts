import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { ageKeyPairs } from '../src/adapters/age/key-pairs.ts'
import { supervisorNodeOptions } from '../supervisor/node-options.ts'
import { createBenchState } from './support/backup-state.ts'
import { startPartStore } from './support/part-store.ts'
import { report } from './support/report.ts'
import { rounded } from './support/statistics.ts'

/**
 * A backup as Reef takes it (consistent copies of the databases, zstd, encryption) against `tar -cz` of the same
 * directory, which is neither consistent nor encrypted. The first argument is the size of the state in MiB. Fails when
 * either direction needs more than 64 MiB.
 */
const mebibytes = Number(process.argv[2] ?? 512)
const memoryBytesMax = 64 * 2 ** 20
const run = promisify(execFile)
const child = new URL('./support/backup-child.ts', import.meta.url).pathname

async function reef(...given: string[]) {
  const { stdout } = await run(process.execPath, ['--expose-gc', ...supervisorNodeOptions, child, ...given])
  return JSON.parse(stdout) as { seconds: number; grownBytes: number; result: object }
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now()
  await work()
  return (performance.now() - startedAt) / 1000
}

const state = createBenchState(mebibytes)
const scratch = mkdtempSync(join(tmpdir(), 'reef-bench-backup-'))
const stored = join(scratch, 'backup.age')
const archive = join(scratch, 'backup.tar.gz')
try {
  const { recipient, identity } = await ageKeyPairs.generate()
  const store = await startPartStore(stored)
  const taken = await reef('write', state.directory, store.origin, recipient)
  store.close()
  const put = await reef('read', stored, join(scratch, 'reef'), identity, JSON.stringify(taken.result))
  const tarSeconds = await timed(() => run('tar', ['-czf', archive, '-C', state.directory, '.']))
  mkdirSync(join(scratch, 'tar'))
  const untarSeconds = await timed(() => run('tar', ['-xzf', archive, '-C', join(scratch, 'tar')]))
  const toMebibytes = (bytes: number) => rounded(bytes / 2 ** 20)
  await report('backup', {
    title: `Backup of a state of ${mebibytes} MiB`,
    columns: ['', 'back up, s', 'restore, s', 'size, MiB', 'memory, MiB'],
    rows: [
      [
        'Reef: zstd, age',
        rounded(taken.seconds),
        rounded(put.seconds),
        toMebibytes(statSync(stored).size),
        toMebibytes(Math.max(taken.grownBytes, put.grownBytes)),
      ],
      ['tar.gz', rounded(tarSeconds), rounded(untarSeconds), toMebibytes(statSync(archive).size), ''],
    ],
    notes: [
      'Reef’s databases are copied while they are written; tar’s copy of a database in use may be torn.',
      'Memory is what the process grew by at its highest, above Node itself.',
    ],
  })
  if (Math.max(taken.grownBytes, put.grownBytes) > memoryBytesMax) {
    console.error('More than 64 MiB of memory.')
    process.exitCode = 1
  }
} finally {
  state.remove()
  rmSync(scratch, { recursive: true, force: true })
}
