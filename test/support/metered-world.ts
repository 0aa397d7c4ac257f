import { sql } from 'kysely'
import type { Database } from '../../src/db/database.ts'
import { type CallSettlements, createCallSettlements } from '../../src/domain/credits/call-settlements.ts'
import { createCreditMeter } from '../../src/domain/credits/credit-meter.ts'
import { createLedger } from '../../src/domain/credits/ledger.ts'
import type { Prices } from '../../src/domain/credits/price-service.ts'
import type { CallJournal } from '../../src/domain/usage/journal.ts'
import type {
  AdmittedCall,
  Meter,
  ModelCall,
  ModelCallEnd,
  TokenUsage,
} from '../../src/domain/usage/meter.ts'
import { newId } from '../../src/ids.ts'
import { readBook } from './book.ts'
import { createTestDatabase, type TestDatabase } from './database.ts'

/** One micro-credit for a token, two for one that is written: what a call costs can be seen at a glance. */
const prices: Prices = {
  version: 1,
  list: {
    models: {
      'openai/gpt-test': {
        input: 1_000_000,
        cachedInput: 1_000_000,
        cacheWriteInput: 1_000_000,
        output: 2_000_000,
        reasoning: 2_000_000,
      },
    },
    plans: {},
    storagePerGibibyteMonth: 0,
    egressPerGibibyte: null,
  },
}

export const usageOf = (inputTokens: number, outputTokens: number): TokenUsage => ({
  inputTokens,
  cachedInputTokens: 100,
  cacheWriteInputTokens: 50,
  outputTokens,
  reasoningTokens: Math.min(10, outputTokens),
})

/** An answer that cost 1300. */
export const callEnd: ModelCallEnd = {
  outcome: 'succeeded',
  httpStatus: 200,
  errorCode: null,
  usage: usageOf(900, 200),
  estimated: false,
  firstByteAt: new Date('2026-11-21T11:00:00.250Z'),
  finishedAt: new Date('2026-11-21T11:00:09Z'),
}

type UnreliableDatabase = Database & { broken: boolean; refused: number }

interface MeterOptions {
  database?: Database
  journal?: CallJournal
}

/** Organizations that have credits and pay for model calls, on a database of their own, without any gateway. */
export interface MeteredWorld {
  readonly database: TestDatabase
  readonly slotId: string
  /** Settlements that were given up, and organizations that have used up their credits. */
  readonly lost: unknown[]
  readonly exhausted: string[]
  organizationWith(amount: number): Promise<string>
  /** Reads at most 1000 and writes at most 500 tokens: 2000 in the worst case. */
  newCall(organizationId: string | null, more?: Partial<ModelCall>): ModelCall
  /** Each is a control plane of its own. */
  meterOf(options?: MeterOptions): Meter & { settlements: CallSettlements }
  /** Throws when it is refused. */
  begin(call: ModelCall, meter?: Meter): Promise<AdmittedCall>
  rowOf(id: string): ReturnType<typeof findRow>
  bookOf(organizationId: string): ReturnType<typeof readBook>
  /** The same database, as long as it is not `broken`; counts whom it has refused. */
  unreliable(): UnreliableDatabase
  drop(): Promise<void>
}

export async function createMeteredWorld(): Promise<MeteredWorld> {
  const database = await createTestDatabase()
  const slotId = newId()
  const lost: unknown[] = []
  const exhausted: string[] = []
  await database.asSystem(async (trx) => {
    await sql`insert into slots (id, driver, state, spec_version) values (${slotId}, 'fake', 'available', '1')`.execute(
      trx,
    )
    await trx
      .insertInto('price_lists')
      .values({ effective_from: new Date(0), prices: JSON.stringify(prices.list), created_by: null })
      .execute()
  })
  const meterOf: MeteredWorld['meterOf'] = (options = {}) => {
    const settlements = createCallSettlements({
      database,
      ...options,
      onLost: (error) => lost.push(error),
      retryDelaysMilliseconds: [],
      laterMilliseconds: 20,
      confirmMilliseconds: 20,
    })
    const meter = createCreditMeter({
      database,
      ...options,
      prices: { current: async () => prices },
      settlements,
      creditsUrl: 'https://reef.example/credits',
      onExhausted: (organizationId) => exhausted.push(organizationId),
    })
    return { ...meter, settlements }
  }
  return {
    database,
    slotId,
    lost,
    exhausted,
    meterOf,
    organizationWith: (amount) => insertOrganization(database, amount),
    newCall: (organizationId, more = {}) => ({
      id: newId(),
      slotId,
      organizationId,
      userId: newId(),
      instanceId: null,
      sessionId: null,
      agentId: null,
      taskId: null,
      provider: 'openai',
      model: 'gpt-test',
      protocol: 'responses',
      streamed: true,
      inputTokensMax: 1000,
      outputTokensMax: 500,
      ...more,
    }),
    begin: async (call, meter = meterOf()) => {
      const admitted = await meter.begin(call)
      if (!admitted.admitted) throw new Error(admitted.message)
      return admitted
    },
    rowOf: (id) => findRow(database, id),
    bookOf: (organizationId) => readBook(database, organizationId),
    unreliable: () => unreliable(database),
    drop: () => database.drop(),
  }
}

async function insertOrganization(database: Database, amount: number): Promise<string> {
  const id = newId()
  await database.asSystem((trx) =>
    trx
      .insertInto('organizations')
      .values({ id, name: 'Reef', slug: `o-${id.slice(-12)}`, personal_user_id: null })
      .execute(),
  )
  await createLedger(database).post({ kind: 'grant', organizationId: id, key: 'grant', amount })
  return id
}

function findRow(database: Database, id: string) {
  return database.asSystem((trx) =>
    trx.selectFrom('model_calls').selectAll().where('id', '=', id).executeTakeFirst(),
  )
}

function unreliable(database: Database): UnreliableDatabase {
  const state = {
    ...database,
    broken: false,
    refused: 0,
    asSystem: (async (work) => {
      if (!state.broken) return database.asSystem(work)
      state.refused += 1
      throw Object.assign(new Error('gone'), { code: 'ECONNREFUSED' })
    }) as Database['asSystem'],
  }
  return state
}
