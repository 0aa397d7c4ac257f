import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { sql } from 'kysely'
import { advisoryLocks } from '../../db/advisory-locks.ts'
import type { Database, Trx } from '../../db/database.ts'
import { BlobMissing, type BlobStore } from '../backups/blob-store.ts'
import {
  type AnchorSigner,
  anchorKey,
  anchorsPrefix,
  type ChainHead,
  numberOfKey,
  sumOfFile,
} from './anchor-file.ts'

/**
 * What keeps heads of the ledger's chains outside of the database: a table that is rewritten whole, with fitting hashes,
 * differs from them. A head stands for everything before it.
 */
export interface AnchorsDeps {
  database: Database
  signer: AnchorSigner
  /** The first is read first. With several control planes at least one of them is shared by all. */
  stores: readonly BlobStore[]
}

export interface AnchorWriter {
  /** Anchors every head that has changed since the last time. Files that no store takes now are kept for the next time. */
  write(): Promise<void>
}

/** Keeps files and statements small, and an organization's heads few. */
const headsMax = 5_000

export function createAnchorWriter(deps: AnchorsDeps): AnchorWriter {
  return {
    write: async () => {
      while (await deps.database.asSystem((trx) => makeAnchor(trx, deps.signer)));
      await storePending(deps)
    },
  }
}

/** Answers whether there is more to anchor. */
async function makeAnchor(trx: Trx, signer: AnchorSigner): Promise<boolean> {
  await sql`select pg_advisory_xact_lock(${advisoryLocks.ledgerAnchors})`.execute(trx)
  const heads = await changedHeads(trx)
  if (heads.length === 0) return false
  const last = await trx
    .selectFrom('ledger_anchors')
    .select(['number', 'sha256'])
    .orderBy('number', 'desc')
    .limit(1)
    .executeTakeFirst()
  const number = (last?.number ?? 0) + 1
  const content = signer.sign({
    number,
    at: new Date().toISOString(),
    previous: last?.sha256.toString('hex') ?? null,
    heads,
  })
  await trx
    .insertInto('ledger_anchors')
    .values({ number, sha256: sumOfFile(content), content })
    .execute()
  await sql`insert into ledger_anchored_heads (organization_id, sequence)
    select * from unnest(${heads.map((head) => head.organizationId)}::uuid[], ${heads.map((head) => head.sequence)}::bigint[])
    on conflict (organization_id) do update set sequence = excluded.sequence`.execute(trx)
  return heads.length === headsMax
}

async function changedHeads(trx: Trx): Promise<ChainHead[]> {
  const { rows } = await sql<ChainHead>`
    select books.organization_id as "organizationId", head_sequence as sequence, encode(head_hash, 'hex') as hash
    from ledger_books books left join ledger_anchored_heads anchored using (organization_id)
    where head_sequence > coalesce(anchored.sequence, 0)
    order by books.organization_id limit ${headsMax}`.execute(trx)
  return rows
}

/** Any number of control planes may do so at once: they write the same. */
async function storePending({ database, stores }: AnchorsDeps): Promise<void> {
  const pending = await database.asSystem((trx) =>
    trx
      .selectFrom('ledger_anchors')
      .select(['number', 'sha256', 'content'])
      .where('content', 'is not', null)
      .orderBy('number')
      .execute(),
  )
  for (const { number, sha256, content } of pending) {
    const bytes = Buffer.from(content ?? '')
    for (const store of stores)
      await store.put(anchorKey(number), Readable.from([bytes]), {
        bytes: bytes.length,
        sha256: sha256.toString('hex'),
      })
    await database.asSystem((trx) =>
      trx.updateTable('ledger_anchors').set({ content: null }).where('number', '=', number).execute(),
    )
  }
}

/** An anchor that was found, or why it does not count. */
export type FoundAnchor =
  | { number: number; heads: ChainHead[]; problem?: undefined }
  | { number: number; problem: string }

/** All anchors in order, from wherever they are, each checked for itself and against the one before it. */
export async function* readAnchors({ database, signer, stores }: AnchorsDeps): AsyncIterable<FoundAnchor> {
  const last = Math.max(await lastInDatabase(database), ...(await Promise.all(stores.map(lastInStore))))
  let previous: string | null = null
  for (let number = 1; number <= last; number++) {
    const row = await database.asSystem((trx) =>
      trx
        .selectFrom('ledger_anchors')
        .select(['sha256', 'content'])
        .where('number', '=', number)
        .executeTakeFirst(),
    )
    const file = row?.content ?? (await readFirst(stores, anchorKey(number)))
    if (file === undefined) {
      yield { number, problem: `it is missing from ${stores.map((store) => store.name).join(' and ')}` }
      previous = row?.sha256.toString('hex') ?? null
      continue
    }
    const sum = sumOfFile(file)
    yield checkAnchor(file, { number, previous, expected: row?.sha256, signer })
    previous = sum.toString('hex')
  }
}

interface Expected {
  number: number
  previous: string | null
  /** What the database says that its sum is. */
  expected: Buffer | undefined
  signer: AnchorSigner
}

function checkAnchor(file: string, { number, previous, expected, signer }: Expected): FoundAnchor {
  try {
    const anchor = signer.open(file)
    if (anchor.number !== number)
      return { number, problem: `it is number ${anchor.number} under another name` }
    if (anchor.previous !== previous) return { number, problem: 'it does not follow the one before it' }
    if (!expected) return { number, problem: 'the database knows nothing of it' }
    if (!expected.equals(sumOfFile(file))) return { number, problem: 'it is not the one that was written' }
    return { number, heads: anchor.heads }
  } catch (error) {
    return { number, problem: `it cannot be believed: ${(error as Error).message}` }
  }
}

async function lastInDatabase(database: Database): Promise<number> {
  const { last } = await database.asSystem((trx) =>
    trx
      .selectFrom('ledger_anchors')
      .select((row) => row.fn.max('number').as('last'))
      .executeTakeFirstOrThrow(),
  )
  return last ?? 0
}

async function lastInStore(store: BlobStore): Promise<number> {
  let last = 0
  for await (const { key } of store.list(anchorsPrefix)) last = Math.max(last, numberOfKey(key) ?? 0)
  return last
}

async function readFirst(stores: readonly BlobStore[], key: string): Promise<string | undefined> {
  for (const store of stores)
    try {
      return await text(await store.get(key))
    } catch (error) {
      if (!(error instanceof BlobMissing)) throw error
    }
  return undefined
}
