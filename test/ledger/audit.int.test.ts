import pg from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { createLedger } from '../../src/domain/credits/ledger.ts'
import { createLedgerAudit } from '../../src/domain/credits/ledger-audit.ts'
import { newId } from '../../src/ids.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'

let database: TestDatabase
let admin: pg.Client

beforeAll(async () => {
  database = await createTestDatabase()
  admin = new pg.Client({ connectionString: database.adminUrl })
  await admin.connect()
})
afterAll(async () => {
  await admin?.end()
  await database?.drop()
})

const openAlerts = () =>
  database.asSystem((trx) =>
    trx
      .selectFrom('alerts')
      .select(['kind', 'message'])
      .where('organization_id', 'is', null)
      .where('cleared_at', 'is', null)
      .execute(),
  )

it('tells the operators once that the ledger is damaged, and no longer when it is well again', async () => {
  const organizationId = newId()
  await createLedger(database).post({ kind: 'grant', organizationId, key: 'g', amount: 100 })
  const audit = createLedgerAudit({ database, anchors: async function* () {} })
  expect(await audit.run()).toMatchObject({ ok: true })
  expect(await openAlerts()).toEqual([])

  await admin.query('update ledger_transfers set amount = 101')
  // Whoever asks at the same time gets the same answer.
  const [one, two] = await Promise.all([audit.run(), audit.run()])
  expect(one).toBe(two)
  expect(one.ok).toBe(false)
  await audit.run()
  expect(await openAlerts()).toMatchObject([
    { kind: 'ledger_damaged', message: expect.stringContaining('transfer 1 is not what was written') },
  ])

  await admin.query('update ledger_transfers set amount = 100')
  expect(await audit.run()).toMatchObject({ ok: true })
  expect(await openAlerts()).toEqual([])
})
