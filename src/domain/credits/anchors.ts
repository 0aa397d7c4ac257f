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

/** Files that are read at the same time: stores far away take long for each. */
const readAtOnce = 32

/** All anchors in order, from wherever they are, each checked for itself and against the one before it. */
export async function* readAnchors(deps: AnchorsDeps): AsyncIterable<FoundAnchor> {
  const { database, signer, stores } = deps
  const last = await lastInDatabase(database)
  let previous: string | null = null
  for (let first = 1; first <= last; first += readAtOnce)
    for (const { number, expected, file } of await readSome(
      deps,
      first,
      Math.min(last, first + readAtOnce - 1),
    )) {
      if (file === undefined) {
        yield { number, problem: `it is missing from ${stores.map((store) => store.name).join(' and ')}` }
        previous = expected?.toString('hex') ?? null
      } else {
        yield checkAnchor(file, { number, previous, expected, signer })
        previous = sumOfFile(file).toString('hex')
      }
    }
  const strangers = await filesAfter(last, stores)
  // Asked again after that, since every file has its row first: one that was made meanwhile is no stranger.
  const newest = await lastInDatabase(database)
  for (const number of strangers.filter((one) => one > newest))
    yield { number, problem: 'the database knows nothing of it' }
}

/** From the first to the last number, with what the database says that each file's sum is. */
async function readSome({ database, stores }: AnchorsDeps, first: number, last: number) {
  const rows = await database.asSystem((trx) =>
    trx
      .selectFrom('ledger_anchors')
      .select(['number', 'sha256', 'content'])
      .where('number', '>=', first)
      .where('number', '<=', last)
      .execute(),
  )
  const known = new Map(rows.map((row) => [row.number, row]))
  return Promise.all(
    Array.from({ length: last - first + 1 }, async (_, index) => {
      const number = first + index
      const row = known.get(number)
      const file = row?.content ?? (await readFirst(stores, anchorKey(number)))
      return { number, expected: row?.sha256, file }
    }),
  )
}

interface Expected {
  number: number
  /** The sum of the one before it. */
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

const filesMax = 100

/** Numbers of files beyond this one, the first of them. */
async function filesAfter(last: number, stores: readonly BlobStore[]): Promise<number[]> {
  const found = new Set<number>()
  for (const store of stores)
    for await (const { key } of store.list(anchorsPrefix)) {
      const number = numberOfKey(key)
      if (number !== undefined && number > last && found.size < filesMax) found.add(number)
    }
  return [...found]
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
