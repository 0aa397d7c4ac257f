import { chmod, mkdtemp, rm } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'kysely'
import { pino } from 'pino'
import { openCallJournal } from '../../src/adapters/local-disk/call-journal.ts'
import { systemClock } from '../../src/clock.ts'
import { readConfig } from '../../src/config.ts'
import { openDatabase } from '../../src/db/database.ts'
import { startEmbeddedPostgres } from '../../src/db/embedded.ts'
import { migrate } from '../../src/db/migrate.ts'
import { loginUrl } from '../../src/db/roles.ts'
import { createCallSettlements } from '../../src/domain/credits/call-settlements.ts'
import { createCreditMeter } from '../../src/domain/credits/credit-meter.ts'
import { createLedger } from '../../src/domain/credits/ledger.ts'
import { createPrices } from '../../src/domain/credits/price-service.ts'
import { createServer } from '../../src/http/server.ts'
import { newId } from '../../src/ids.ts'
import { modelCatalogue } from '../../src/models/catalogue.ts'
import { registerModelGateway } from '../../src/models/gateway.ts'
import { createProviders } from '../../src/models/providers.ts'
import { openRootSecret } from '../../src/secrets.ts'
import { modelKeys } from '../../src/slot-key.ts'

/**
 * Reef's model gateway as it ships, on a real PostgreSQL that records every call and takes its cost from one
 * organization's credits: reserved before, settled after. Who a key belongs to is answered from memory, as it is in Reef
 * for all but one request per second. `GET /used` tells what was recorded, and what the ledger took.
 */
const providerUrl = process.argv[2] as string
const directory = await mkdtemp(join(tmpdir(), 'reef-bench-'))
// PostgreSQL runs as another user when the benchmark runs as root.
await chmod(directory, 0o755)
const secret = openRootSecret(Buffer.alloc(32, 1))
const postgres = await startEmbeddedPostgres(directory)
await migrate(postgres.ownerUrl, secret)
const database = openDatabase({ url: loginUrl(postgres.ownerUrl, secret) })
const slotId = newId()
const organizationId = newId()
/** Of an organization that has no credits. */
const [poorSlotId, poorOrganizationId] = [newId(), newId()]
await database.asSystem(async (trx) => {
  await sql`insert into organizations (id, name, slug) values
    (${organizationId}, 'Bench', 'bench'), (${poorOrganizationId}, 'Poor', 'poor')`.execute(trx)
  await sql`insert into slots (id, driver, state, spec_version) values
    (${slotId}, 'fake', 'available', '1'), (${poorSlotId}, 'fake', 'available', '1')`.execute(trx)
})
await createLedger(database).post({
  kind: 'grant',
  organizationId,
  key: 'grant',
  amount: 1_000_000_000_000,
})
const price = { input: 240e6, cachedInput: 24e6, cacheWriteInput: 300e6, output: 1200e6, reasoning: 1200e6 }
const prices = createPrices(database)
await prices.publish(
  { userId: newId() },
  { models: { 'openai/bench': price }, plans: {}, storagePerGibibyteMonth: 0, egressPerGibibyte: null },
  null,
)
const journal = openCallJournal({ file: join(directory, 'calls.journal'), onError: console.error })
const settlements = createCallSettlements({ database, journal, onLost: (error) => console.error(error) })
const config = readConfig({
  OPENAI_API_KEY: 'sk-bench-0000000000',
  OPENAI_BASE_URL: providerUrl,
  REEF_MODEL: 'openai/bench',
})
const app = await createServer({ log: pino({ level: 'silent' }), version: 'bench' })
await registerModelGateway(app, {
  secret,
  callers: {
    findBySlot: async (id) => ({
      slotId: id,
      slotState: 'assigned',
      organizationId: id === poorSlotId ? poorOrganizationId : organizationId,
      userId: null,
      instanceId: null,
      sessionId: null,
    }),
  },
  catalogue: modelCatalogue(config),
  providers: createProviders(config, { clock: systemClock }),
  meter: createCreditMeter({
    database,
    prices,
    settlements,
    journal,
    creditsUrl: 'http://localhost/credits',
  }),
  clock: systemClock,
})
app.get('/used', async () =>
  database.asSystem(async (trx) => {
    const { rows } = await sql<{ tokens: number; pending: number; cost: number; spent: number }>`
      select coalesce(sum(output_tokens), 0)::int as tokens, coalesce(sum(cost), 0)::bigint as cost,
        count(*) filter (where outcome = 'pending')::int as pending,
        (select spent from ledger_books where organization_id = ${organizationId}) as spent
      from model_calls`.execute(trx)
    return rows[0]
  }),
)
await app.listen({ host: '127.0.0.1', port: 0 })
process.once('SIGTERM', async () => {
  await app.close()
  await database.close()
  await postgres.stop()
  await rm(directory, { recursive: true, force: true })
  process.exit(0)
})
console.log(
  `listening ${(app.server.address() as AddressInfo).port} ${modelKeys.of(secret, slotId)} ${modelKeys.of(secret, poorSlotId)}`,
)
