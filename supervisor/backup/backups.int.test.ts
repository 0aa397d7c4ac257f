import {
  createWriteStream,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { generateX25519Identity, identityToRecipient } from 'age-encryption'
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { startOpenClaw } from '../openclaw-child.ts'
import { openSlotFiles } from '../slot-files.ts'
import { type ArchiveEntry, writeArchive } from './archive.ts'
import { type BackupOrder, type Backups, createBackups } from './backups.ts'
import { extractArchive } from './extract.ts'
import type { BackupFacts, Manifest } from './manifest.ts'
import type { RunOpenClaw } from './openclaw-source.ts'

let identity: string
let recipient: string
beforeAll(async () => {
  identity = await generateX25519Identity()
  recipient = await identityToRecipient(identity)
})

let directory: string
let slot: string
let backups: Backups
let facts: Map<string, BackupFacts>
/** Comes after the look at what there is, and before anything of it is read. */
let onDelivery: () => void
beforeEach(() => {
  onDelivery = () => undefined
  directory = mkdtempSync(join(tmpdir(), 'reef-saved-'))
  slot = join(directory, 'slot')
  facts = new Map()
  const { config, workspace } = openSlotFiles(slot).paths
  writeFileSync(config, JSON.stringify({ agents: { defaults: { workspace } } }))
  backups = createBackups({
    places: { slotDirectory: slot, configPath: 'openclaw.json' },
    control: {
      call: async (_method, path, body) => facts.set(idOf(path), body as BackupFacts),
      deliver: (path, body) => {
        onDelivery()
        return pipeline(body, createWriteStream(storedAt(idOf(path))))
      },
      fetch: () => Promise.reject(new Error('unused')),
    },
    runOpenClaw,
    countTurns: () => Promise.resolve(0),
    countConversations: () => Promise.resolve(0),
    openclawVersion: 'test',
    supervisorVersion: 'test',
    log: () => undefined,
  })
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

const storedAt = (id: string) => join(directory, `${id}.age`)
/** Of `/backups/ID/complete`. */
const idOf = (path: string) => path.split('/')[2] as string

/** OpenClaw's own command, for which nothing else of it has to run. */
const runOpenClaw: RunOpenClaw = async (argv) => {
  const lines: string[] = []
  const variables = { PATH: process.env.PATH ?? '' }
  const child = startOpenClaw(
    { files: openSlotFiles(slot), variables, onLine: (line) => lines.push(line) },
    argv,
  )
  return { code: await child.exited, output: lines.join('\n') }
}

function write(path: string, text = 'x'): void {
  mkdirSync(dirname(join(slot, path)), { recursive: true })
  writeFileSync(join(slot, path), text)
}

async function take(backupId: string, order: Partial<BackupOrder> = {}): Promise<void> {
  const standard = { kind: 'checkpoint', baseBackupId: null, drainSeconds: 0 } as const
  await backups.take({ ...standard, backupId, recipient, ...order })
}

/** Unpacks backups on top of each other, as a restore does, and answers where. */
async function restore(...ids: string[]): Promise<string> {
  const tree = join(directory, `tree-of-${ids.join('-')}`)
  for (const id of ids) await extractArchive(storedAt(id), tree, identity, facts.get(id) as Manifest)
  return tree
}

/** Everything below `workspace`: contents of files, targets of links, and which paths are directories. */
function workspaceOf(root: string): Record<string, string> {
  const paths = readdirSync(join(root, 'workspace'), { recursive: true }).map(String).sort()
  return Object.fromEntries(paths.map((path) => [path, describeFile(join(root, 'workspace', path))]))
}

function describeFile(path: string): string {
  const found = lstatSync(path)
  if (found.isDirectory()) return 'a directory'
  return found.isSymbolicLink() ? `a link to ${readlinkSync(path)}` : readFileSync(path, 'utf8')
}

describe('what becomes something else between a backup and its checkpoint is restored as what it is', () => {
  const kinds: Record<string, () => void> = {
    'a file': () => write('workspace/a', 'of the file'),
    'a directory with a file': () => write('workspace/a/b', 'in the directory'),
    'an empty directory': () => mkdirSync(join(slot, 'workspace/a')),
    'a link to a directory': () => symlinkSync('other', join(slot, 'workspace/a')),
    'a link to nothing': () => symlinkSync('nowhere', join(slot, 'workspace/a')),
  }
  const names = Object.keys(kinds)
  const changes = names.flatMap((from) => names.filter((to) => to !== from).map((to) => ({ from, to })))

  it.each(changes)('$from that becomes $to', async ({ from, to }) => {
    write('workspace/other/c', 'of the other')
    kinds[from]?.()
    await take('base')
    rmSync(join(slot, 'workspace/a'), { recursive: true })
    kinds[to]?.()
    await take('later', { baseBackupId: 'base' })
    expect(workspaceOf(await restore('base', 'later'))).toEqual(workspaceOf(slot))
  })
})

describe('an archive that was written to lead out of its directory', () => {
  let outside: string
  beforeEach(async () => {
    outside = join(directory, 'outside')
    mkdirSync(outside)
    writeFileSync(join(outside, 'precious'), 'as it was')
    await forge('base', [{ kind: 'link', path: 'workspace/out', target: outside }])
  })
  afterEach(() => {
    expect(readdirSync(outside)).toEqual(['precious'])
    expect(readFileSync(join(outside, 'precious'), 'utf8')).toBe('as it was')
  })

  async function forge(id: string, entries: ArchiveEntry[], removed: string[] = []): Promise<void> {
    const header = { format: 1 as const, slotDirectory: slot, removed }
    const sums = await writeArchive(header, Readable.from(entries), recipient, (body) =>
      pipeline(body, createWriteStream(storedAt(id))),
    )
    facts.set(id, sums as BackupFacts)
  }
  const fileAt = (path: string): ArchiveEntry => {
    const shared = { kind: 'file', mode: 0o600, modifiedAt: new Date(), bytes: 1 } as const
    return { ...shared, path, body: Readable.from([Buffer.from('y')]) }
  }

  it('is refused when it writes through a link', async () => {
    await forge('later', [fileAt('workspace/out/precious')])
    await expect(restore('base', 'later')).rejects.toThrow('leads through something that is no directory')
  })

  it('is refused when it makes a directory behind a link', async () => {
    await forge('later', [{ kind: 'directory', path: 'workspace/out/new', mode: 0o700 }])
    await expect(restore('base', 'later')).rejects.toThrow('leads through something that is no directory')
  })

  it('removes nothing behind a link', async () => {
    await forge('later', [], ['workspace/out/precious'])
    await restore('base', 'later')
  })

  it('gets a directory of its own in place of a link', async () => {
    const made: ArchiveEntry = { kind: 'directory', path: 'workspace/out', mode: 0o700 }
    await forge('later', [made, fileAt('workspace/out/precious')])
    const tree = await restore('base', 'later')
    expect(readFileSync(join(tree, 'workspace/out/precious'), 'utf8')).toBe('y')
  })
})

/** What a person may keep under names that elsewhere mean nothing lasting. */
const likely = [
  'Cargo.lock',
  'yarn.lock',
  'app/poetry.lock',
  'openclaw.log.md',
  'notes-journal',
  'notes-wal',
  'notes-shm',
  'travel/plan.md',
  'travel-journal',
  '.tmp/kept',
]

it('a checkpoint holds what a person keeps in the workspace, whatever its name', async () => {
  for (const path of likely) write(`workspace/${path}`)
  write('state/gateway.lock')
  await take('base')
  const tree = await restore('base')
  expect(workspaceOf(tree)).toEqual(workspaceOf(slot))
  expect(existsSync(join(tree, 'state/gateway.lock'))).toBe(false)
})

it('a file that was away while a checkpoint was written is in the next one', async () => {
  write('workspace/here')
  write('workspace/away')
  const [path, elsewhere] = [join(slot, 'workspace/away'), join(directory, 'elsewhere')]
  onDelivery = () => renameSync(path, elsewhere)
  await take('base')
  renameSync(elsewhere, path)
  onDelivery = () => undefined
  await take('later', { baseBackupId: 'base' })
  expect(workspaceOf(await restore('base', 'later'))).toEqual(workspaceOf(slot))
})

describe('OpenClaw’s own backup', () => {
  let opened: DatabaseSync
  beforeEach(() => {
    for (const path of likely) write(`workspace/${path}`)
    opened = new DatabaseSync(join(slot, 'workspace/ledger.sqlite'))
    opened.exec('pragma journal_mode = wal; create table turns (id integer primary key)')
  })
  afterEach(() => opened.close())

  it('is put back with every file that a person keeps, and without the journals of databases', async () => {
    await take('full', { kind: 'full' })
    const tree = await restore('full')
    const paths = readdirSync(join(tree, 'workspace'), { recursive: true })
    expect(paths).toEqual(expect.arrayContaining([...likely, 'ledger.sqlite']))
    expect(paths).not.toContain('ledger.sqlite-wal')
    expect(paths).not.toContain('ledger.sqlite-shm')
  }, 60_000)

  it('leaves to the next checkpoint what it does not hold itself, and nothing else', async () => {
    const transcript = 'state/agents/main/sessions/old.jsonl'
    write(transcript, 'said')
    await take('full', { kind: 'full' })
    await take('later', { baseBackupId: 'full' })
    expect(existsSync(join(await restore('full'), transcript))).toBe(false)
    expect(readFileSync(join(await restore('full', 'later'), transcript), 'utf8')).toBe('said')
    expect(existsSync(join(await restore('later'), 'workspace'))).toBe(false)
  }, 60_000)
})
