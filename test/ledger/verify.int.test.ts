import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import pg from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { openLocalDisk } from '../../src/adapters/local-disk/local-disk.ts'
import type { BlobStore } from '../../src/domain/backups/blob-store.ts'
import { anchorKey, createAnchorSigner } from '../../src/domain/credits/anchor-file.ts'
import { type AnchorsDeps, createAnchorWriter, readAnchors } from '../../src/domain/credits/anchors.ts'
import { hashTransfer } from '../../src/domain/credits/chain.ts'
import { createLedger, type Ledger } from '../../src/domain/credits/ledger.ts'
import { type LedgerProblem, verifyLedger } from '../../src/domain/credits/verify.ts'
import { newId } from '../../src/ids.ts'
import { openRootSecret, sha256 } from '../../src/secrets.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { testSecret } from '../support/secret.ts'

let database: TestDatabase
let ledger: Ledger
let admin: pg.Client
let directory: string
let anchors: AnchorsDeps
let organizationId: string

beforeAll(async () => {
  database = await createTestDatabase()
  ledger = createLedger(database)
  admin = new pg.Client({ connectionString: database.adminUrl })
  await admin.connect()
  directory = await mkdtemp(join(tmpdir(), 'reef-anchors-'))
  anchors = { database, signer: createAnchorSigner(testSecret), stores: [openLocalDisk(directory)] }
})
afterAll(async () => {
  await admin?.end()
  await database?.drop()
  await rm(directory, { recursive: true, force: true })
})

const verify = () => verifyLedger({ database, anchors: () => readAnchors(anchors) })
const anchor = () => createAnchorWriter(anchors).write()

/** A chain of ten transfers with all kinds of columns filled, one reservation still open. */
async function spend(id = newId()): Promise<string> {
  const reservationId = newId()
  const purpose = 'model_call' as const
  const expiresAt = new Date('2030-01-01T00:00:00Z')
  const post = ledger.post
  await post({
    kind: 'grant',
    organizationId: id,
    key: 'g',
    amount: 5_000,
    note: 'hello',
    actorUserId: newId(),
  })
  await post({ kind: 'purchase', organizationId: id, key: 'p', amount: 3_000, reference: 'pi_1' })
  await post({
    kind: 'reserve',
    organizationId: id,
    key: 'r',
    reservationId,
    purpose,
    amount: 500,
    atLeast: 0,
    expiresAt,
  })
  await post({ kind: 'settle', organizationId: id, key: 's', reservationId, amount: 200, close: true })
  const open = { reservationId: newId(), purpose, amount: 300, atLeast: 0, expiresAt }
  await post({ kind: 'reserve', organizationId: id, key: 'r2', ...open })
  await post({
    kind: 'settle',
    organizationId: id,
    key: 's2',
    reservationId: open.reservationId,
    amount: 100,
    close: false,
  })
  await post({ kind: 'freeze', organizationId: id, key: 'f', amount: 1_000 })
  await post({ kind: 'forfeit', organizationId: id, key: 'x', amount: 1_200, frozen: 1_000 })
  return id
}

/** Another id, which differs in its last digit. */
const otherId = (column: string) =>
  `overlay(${column}::text placing (case right(${column}::text, 1) when '9' then '8' else '9' end) from 36)::uuid`

/** What verification says of one organization after the tampering, which is undone again. */
async function afterTampering(statement: string, parameters: unknown[] = []): Promise<LedgerProblem[]> {
  const tables = ['ledger_transfers', 'ledger_books', 'ledger_reservations']
  for (const table of tables) await admin.query(`create table saved_${table} as table ${table}`)
  try {
    // As somebody who can do anything in the database: constraints and triggers do not stand in their way.
    await admin.query("set session_replication_role = 'replica'")
    const { rowCount } = await admin.query(statement, parameters)
    expect(rowCount).toBeGreaterThan(0)
    const report = await verify()
    expect(report.ok).toBe(report.problemsCount === 0)
    return report.problems
  } finally {
    for (const table of tables) {
      await admin.query(`delete from ${table}`)
      await admin.query(`insert into ${table} select * from saved_${table}`)
      await admin.query(`drop table saved_${table}`)
    }
    await admin.query("set session_replication_role = 'origin'")
  }
}

describe('verification', () => {
  beforeAll(async () => {
    // Whoever tampers would drop what is in the way.
    for (const { table_name, constraint_name } of (
      await admin.query<{ table_name: string; constraint_name: string }>(
        `select conrelid::regclass::text as table_name, conname as constraint_name from pg_constraint
         where contype = 'c' and conrelid in ('ledger_transfers'::regclass, 'ledger_books'::regclass, 'ledger_reservations'::regclass)`,
      )
    ).rows)
      await admin.query(`alter table ${table_name} drop constraint ${constraint_name}`)
    for (let count = 0; count < 3; count++) await spend()
    organizationId = await spend()
  })

  it('finds nothing wrong with what the ledger wrote', async () => {
    const report = await verify()
    expect(report.problems).toEqual([])
    expect(report).toMatchObject({ ok: true, organizations: 4, transfers: 4 * 10 })
    expect(report.totals).toMatchObject({ granted: 20_000, purchased: 12_000, spent: 1_200, reserved: 800 })
  })

  it('covers every column of a transfer', async () => {
    const { rows } = await admin.query<{ column_name: string }>(
      "select column_name from information_schema.columns where table_name = 'ledger_transfers'",
    )
    expect(rows.map((row) => row.column_name).sort()).toEqual(Object.keys(changes).sort())
  })

  /** The smallest change of each column that still fits its type. */
  const changes: Record<string, string> = {
    organization_id: otherId('organization_id'),
    sequence: 'sequence + 100',
    at: "at + interval '1 millisecond'",
    key: "overlay(key placing 'q' from 1)",
    leg: 'leg + 1',
    request_hash: 'set_byte(request_hash, 31, get_byte(request_hash, 31) # 1)',
    operation: "overlay(operation placing 'q' from 1)",
    debit: "case debit when 'spent' then 'frozen' else 'spent' end",
    credit: "case credit when 'spent' then 'frozen' else 'spent' end",
    amount: 'amount # 1',
    reservation_id: `coalesce(${otherId('reservation_id')}, organization_id)`,
    reference: "coalesce(overlay(reference placing 'q' from 1), '')",
    note: "coalesce(overlay(note placing 'q' from 1), '')",
    actor_user_id: `coalesce(${otherId('actor_user_id')}, organization_id)`,
    hash: 'set_byte(hash, 0, get_byte(hash, 0) # 128)',
  }

  it.each(Object.entries(changes))(
    'finds a changed %s in the first, a middle and the last transfer',
    async (column, change) => {
      for (const sequence of [1, 5, 10]) {
        const problems = await afterTampering(
          `update ledger_transfers set ${column} = ${change} where organization_id = $1 and sequence = $2`,
          [organizationId, sequence],
        )
        expect(problems).toContainEqual(expect.objectContaining({ kind: 'chain', organizationId, sequence }))
      }
    },
  )

  it('names one transfer, and not those after it too, when only its hash was changed', async () => {
    const problems = await afterTampering(
      `update ledger_transfers set hash = ${changes.hash} where organization_id = $1 and sequence = 4`,
      [organizationId],
    )
    expect(problems).toEqual([
      { kind: 'chain', organizationId, sequence: 4, message: 'transfer 4 is not what was written' },
    ])
  })

  it.each([
    ['the first', 1],
    ['a middle one', 4],
    ['the last', 10],
  ])('finds that %s was deleted', async (_which, sequence) => {
    const problems = await afterTampering(
      'delete from ledger_transfers where organization_id = $1 and sequence = $2',
      [organizationId, sequence],
    )
    expect(problems.map(({ message }) => message).join()).toMatch(
      new RegExp(`${sequence}.* (is|are) missing`),
    )
  })

  it('finds a swapped order', async () => {
    await admin.query('alter table ledger_transfers drop constraint ledger_transfers_pkey')
    const swapped = await afterTampering(
      `update ledger_transfers set sequence = case sequence when 4 then 5 else 4 end
       where organization_id = $1 and sequence in (4, 5)`,
      [organizationId],
    )
    await admin.query('alter table ledger_transfers add primary key (organization_id, sequence)')
    expect(swapped).toContainEqual({
      kind: 'chain',
      organizationId,
      sequence: 4,
      message: 'transfer 4 is not what was written',
    })
  })

  it('finds a transfer that was slipped in at the end', async () => {
    const problems = await afterTampering(
      `insert into ledger_transfers
       select organization_id, sequence + 1, at, 'more', 0, request_hash, 'grant', 'granted', 'available', 5, null, null, null, null, hash
       from ledger_transfers where organization_id = $1 and sequence = 10`,
      [organizationId],
    )
    expect(problems).toContainEqual(expect.objectContaining({ kind: 'chain', organizationId, sequence: 11 }))
  })

  it.each(['granted', 'purchased', 'written_off', 'available', 'reserved', 'spent', 'frozen', 'refunded'])(
    'finds a changed balance: %s',
    async (account) => {
      const problems = await afterTampering(
        `update ledger_books set ${account} = ${account} # 1 where organization_id = $1`,
        [organizationId],
      )
      expect(problems).toContainEqual(
        expect.objectContaining({ kind: 'book', organizationId, message: expect.stringContaining(account) }),
      )
    },
  )

  it.each([
    ['organization_id', changes.organization_id],
    ['head_sequence', 'head_sequence - 1'],
    ['head_sequence', 'head_sequence + 1'],
    ['head_hash', 'set_byte(head_hash, 3, get_byte(head_hash, 3) # 1)'],
    ['updated_at', "updated_at + interval '1 millisecond'"],
  ])('finds a changed %s of a book: %s', async (column, change) => {
    const problems = await afterTampering(
      `update ledger_books set ${column} = ${change} where organization_id = $1`,
      [organizationId],
    )
    expect(problems.map((problem) => problem.organizationId)).toContain(organizationId)
  })

  it('finds a book that was deleted, with or without its transfers', async () => {
    const problems = await afterTampering('delete from ledger_books where organization_id = $1', [
      organizationId,
    ])
    expect(problems).toContainEqual(expect.objectContaining({ kind: 'book', organizationId }))
  })

  it.each([
    ['held', 'held # 1'],
    ['settled', 'settled # 1'],
    ['id', otherId('id')],
    ['organization_id', changes.organization_id],
    ['created_at', "created_at + interval '1 day'"],
  ])('finds a changed %s of a reservation', async (column, change) => {
    const problems = await afterTampering(
      `update ledger_reservations set ${column} = ${change} where organization_id = $1 and held > 0`,
      [organizationId],
    )
    expect(problems.map(({ kind }) => kind)).toContain('reservation')
  })

  it('finds a reservation that was deleted while it held something', async () => {
    const problems = await afterTampering(
      'delete from ledger_reservations where organization_id = $1 and held > 0',
      [organizationId],
    )
    expect(problems).toContainEqual(expect.objectContaining({ kind: 'reservation', organizationId }))
  })
})

describe('anchors', () => {
  let store: BlobStore
  beforeAll(async () => {
    store = anchors.stores[0] as BlobStore
    await anchor()
  })
  beforeEach(async () => {
    expect(await verify()).toMatchObject({ ok: true })
  })

  it('are written for what has changed and for nothing else', async () => {
    const count = async () => (await verify()).anchors
    const before = await count()
    await anchor()
    expect(await count()).toBe(before)
    const id = await spend()
    await Promise.all([anchor(), anchor(), anchor()])
    expect(await count()).toBe(before + 1)
    const file = anchors.signer.open(await text(await store.get(anchorKey(before + 1))))
    expect(file.heads).toMatchObject([{ organizationId: id, sequence: 10 }])
  })

  it('show that a chain was written anew with fitting hashes, balances and head', async () => {
    const problems = await afterTampering('select 1 where $1::uuid is not null', [organizationId])
    expect(problems).toEqual([])
    const rewritten = await rewriteWith(5)
    expect(rewritten.filter(({ kind }) => kind !== 'anchor')).toEqual([])
    expect(rewritten).toContainEqual(
      expect.objectContaining({ kind: 'anchor', organizationId, sequence: 10 }),
    )
  })

  /** Gives the organization's first grant another amount, and everything after it what follows from that. */
  async function rewriteWith(more: number): Promise<LedgerProblem[]> {
    const { rows } = await database.asSystem(async (trx) => ({
      rows: await trx
        .selectFrom('ledger_transfers')
        .selectAll()
        .where('organization_id', '=', organizationId)
        .orderBy('sequence')
        .execute(),
    }))
    let previous: Buffer = Buffer.alloc(32)
    const changed = rows.map((row) => {
      const amount = row.sequence === 1 ? row.amount + more : row.amount
      previous = hashTransfer(previous, { ...row, amount })
      return { sequence: row.sequence, amount, hash: `\\x${previous.toString('hex')}` }
    })
    return afterTampering(
      `with changed as (select * from jsonb_to_recordset($2::jsonb) as c (sequence bigint, amount bigint, hash bytea)),
       done as (
         update ledger_transfers t set amount = c.amount, hash = c.hash from changed c
         where t.organization_id = $1 and t.sequence = c.sequence returning t.sequence
       )
       update ledger_books set granted = granted + ${more}, available = available + ${more},
         head_hash = (select hash from changed order by sequence desc limit 1)
       where organization_id = $1 and exists (select from done)`,
      [organizationId, JSON.stringify(changed)],
    )
  }

  it('show that an organization was removed whole, or its last transfers with their traces', async () => {
    const whole = await afterTampering(
      `with a as (delete from ledger_transfers where organization_id = $1),
        b as (delete from ledger_reservations where organization_id = $1)
       delete from ledger_books where organization_id = $1`,
      [organizationId],
    )
    expect(whole).toContainEqual(
      expect.objectContaining({
        kind: 'anchor',
        organizationId,
        message: expect.stringContaining('is missing'),
      }),
    )
  })

  it('cannot be made by somebody who has not the root secret, changed, renamed or removed', async () => {
    const last = (await verify()).anchors
    const key = anchorKey(last)
    const original = await text(await store.get(key))
    const put = async (content: string) => {
      const bytes = Buffer.from(content)
      await store.put(key, Readable.from([bytes]), {
        bytes: bytes.length,
        sha256: sha256(content).toString('hex'),
      })
    }
    const problemWith = async (content: string) => {
      await put(content)
      const { problems } = await verify()
      await put(original)
      return problems.map(({ message }) => message).join()
    }
    const content = anchors.signer.open(original)
    const stranger = createAnchorSigner(openRootSecret(Buffer.alloc(32, 9)))
    expect(await problemWith(stranger.sign(content))).toContain('not of this Reef')
    expect(await problemWith(original.replace('"anchor":"', '"anchor":" '))).toContain('not of this Reef')
    expect(await problemWith('{}')).toContain('cannot be believed')
    expect(await problemWith(anchors.signer.sign({ ...content, heads: [] }))).toContain('not the one')
    expect(await problemWith(anchors.signer.sign({ ...content, number: 1 }))).toContain('another name')
    expect(await problemWith(anchors.signer.sign({ ...content, previous: null }))).toContain(
      'does not follow',
    )
    await store.delete(key)
    expect((await verify()).problems.map(({ message }) => message).join()).toContain('is missing from')
    await put(original)
  })

  it('are missed in the database too', async () => {
    await admin.query('create table saved_anchors as table ledger_anchors')
    await admin.query('delete from ledger_anchors where number = (select max(number) from ledger_anchors)')
    const { problems } = await verify()
    expect(problems.map(({ message }) => message).join()).toContain('the database knows nothing of it')
    await admin.query('delete from ledger_anchors')
    await admin.query('insert into ledger_anchors select * from saved_anchors')
  })

  it('wait in the database while no store takes them, and count there', async () => {
    const away: BlobStore = { ...store, put: () => Promise.reject(new Error('away')) }
    await spend()
    await expect(createAnchorWriter({ ...anchors, stores: [away] }).write()).rejects.toThrow('away')
    const { anchors: count, ok } = await verify()
    expect(ok).toBe(true)
    await expect(store.get(anchorKey(count))).rejects.toThrow()
    await anchor()
    expect(await text(await store.get(anchorKey(count)))).toContain('signature')
  })
})
