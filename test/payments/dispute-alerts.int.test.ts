import { sql } from 'kysely'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { openSmtpMailer } from '../../src/adapters/smtp/mailer.ts'
import type { Principal } from '../../src/domain/accounts/principal.ts'
import { type AlertDeliveriesDeps, sendDueAlerts } from '../../src/domain/credits/alert-deliveries.ts'
import { type AlertService, createAlertService } from '../../src/domain/credits/alert-service.ts'
import { createOperators } from '../../src/domain/operators/operators.ts'
import { createPerson } from '../support/control-plane.ts'
import { changeDispute, dispute } from '../support/fake-stripe/money.ts'
import { toProviderEvents } from '../support/fake-stripe/provider-events.ts'
import { type SellingWorld, spend, startSellingWorld } from '../support/fake-stripe/selling.ts'
import { startMailServer, type TestMailServer } from '../support/mail-server.ts'
import { testSecret } from '../support/secret.ts'

let world: SellingWorld
let mailServer: TestMailServer
let deliveries: AlertDeliveriesDeps
let alertService: AlertService
let operator: Principal
let principal: Principal

beforeAll(async () => {
  world = await startSellingWorld()
  mailServer = await startMailServer()
  const webhooks = {
    refusalOf: () => undefined,
    post: () => Promise.reject(new Error('operators have no webhook')),
  }
  alertService = createAlertService({
    database: world.database,
    secret: testSecret,
    operators: createOperators(world.database),
    webhooks,
  })
  deliveries = {
    database: world.database,
    secret: testSecret,
    mailer: openSmtpMailer({ url: mailServer.url, from: 'Reef <reef@example.test>' }),
    webhooks,
    publicUrl: 'https://reef.example.test',
  }
  operator = await createPerson(world.database, { name: 'Grace' })
  await world.database.asSystem(async (trx) => {
    await trx
      .updateTable('users')
      .set({ email: 'operator@example.test', email_verified: true })
      .where('id', '=', operator.userId)
      .execute()
    await trx.insertInto('operators').values({ user_id: operator.userId }).execute()
  })
})
afterAll(async () => {
  deliveries.mailer?.close()
  await mailServer.close()
  await world.close()
})
beforeEach(async () => {
  world.calm()
  await sendDueAlerts(deliveries)
  mailServer.mails.length = 0
  principal = await createPerson(world.database, { name: 'Guild' })
})

/** Both control planes hear of it at once, ten times each. */
async function hearEverywhere(): Promise<void> {
  const told = toProviderEvents(world.fake.deliveries.waiting)
  world.fake.deliveries.drop()
  for (const event of told) await world.planes[0].events.store(event, 'webhook')
  const ids = told.flatMap(({ subject }) => subject.intentId ?? [])
  const paymentId = await world.planes[0].payments.findPaymentId(ids[0] as string)
  await Promise.all(
    Array.from({ length: 20 }, (_, turn) =>
      (world.planes[turn % 2] ?? world.planes[0]).sync.sync(paymentId as string),
    ),
  )
  await Promise.all(world.planes.map((plane) => plane.events.processDue()))
}

/** Of this test's organization, oldest first. */
async function alerts() {
  const rows = await world.database.asSystem((trx) =>
    trx
      .selectFrom('alerts')
      .selectAll()
      .where('kind', 'in', ['dispute_opened', 'dispute_closed'])
      .orderBy('created_at')
      .execute(),
  )
  return rows.filter((row) => row.details.organizationId === principal.organizationId)
}
const kinds = async () => (await alerts()).map(({ kind, cleared_at }) => [kind, cleared_at === null])
const mails = async () => {
  await Promise.all([sendDueAlerts(deliveries), sendDueAlerts(deliveries)])
  return mailServer.mails.splice(0)
}

async function disputed(used = 0, options?: Parameters<typeof dispute>[2]) {
  const { paymentId, intentId } = await world.bought(principal)
  if (used > 0) await spend(world.database, principal.organizationId, used)
  const made = dispute(world.fake.state, world.intentOf(intentId), options)
  return { paymentId, made }
}

describe('operators', () => {
  it('are told once that a dispute was opened, with what was frozen, by mail too', async () => {
    const { paymentId, made } = await disputed(300_000_000)
    await hearEverywhere()
    expect(await alerts()).toMatchObject([
      {
        kind: 'dispute_opened',
        organization_id: null,
        title: 'A payment of Guild is disputed',
        details: { paymentId, disputeId: made.id, frozenMicros: 700_000_000, creditsMicros: 1_000_000_000 },
      },
    ])
    const sent = await mails()
    expect(sent.map(({ to }) => to)).toEqual([['operator@example.test']])
    expect(sent[0]?.text).toContain('Of the 1,000 credits that it stands for 700 are frozen')
    expect(sent[0]?.text).toContain('https://reef.example.test/admin')
    expect(sent[0]?.text).toContain('because you operate this Reef')
  })

  it.each([
    ['won', '700 credits are available to the organization again'],
    ['lost', '700 credits were taken (700 of them had been frozen). 300 credits had been used before'],
  ] as const)('are told once that it was %s, and no longer that it is open', async (end, words) => {
    const { made } = await disputed(300_000_000)
    await hearEverywhere()
    await mails()
    changeDispute(world.fake.state, made, end)
    await hearEverywhere()
    expect(await kinds()).toEqual([
      ['dispute_opened', false],
      ['dispute_closed', true],
    ])
    const sent = await mails()
    expect(sent).toHaveLength(1)
    expect(sent[0]?.text).toContain(words)
    changeDispute(world.fake.state, made, end)
    await hearEverywhere()
    expect(await alerts()).toHaveLength(2)
    expect(await mails()).toEqual([])
  })

  it('are told of its end alone when that is the first that is heard of it', async () => {
    const { made } = await disputed()
    changeDispute(world.fake.state, made, 'lost')
    await hearEverywhere()
    expect(await alerts()).toMatchObject([
      { kind: 'dispute_closed', severity: 'warning', details: { takenMicros: 1_000_000_000 } },
    ])
  })

  it('are told again when a lost one is won after all', async () => {
    const { made } = await disputed()
    for (const status of ['lost', 'won'] as const) {
      changeDispute(world.fake.state, made, status)
      await hearEverywhere()
    }
    expect(await kinds()).toEqual([
      ['dispute_closed', false],
      ['dispute_closed', true],
    ])
    expect((await alerts()).at(-1)).toMatchObject({
      title: 'The dispute over a payment of Guild was won',
      message: expect.stringContaining('1,000 credits are available to the organization again'),
    })
  })

  it('are told of nothing while a bank only asks, and then when it becomes a dispute', async () => {
    const { made } = await disputed(0, { status: 'warning_needs_response' })
    await hearEverywhere()
    expect(await alerts()).toEqual([])
    changeDispute(world.fake.state, made, 'needs_response')
    await hearEverywhere()
    expect(await kinds()).toEqual([['dispute_opened', true]])
  })

  it('see that one has ended for two weeks', async () => {
    const { made } = await disputed()
    changeDispute(world.fake.state, made, 'lost')
    await hearEverywhere()
    const shown = async () => (await alertService.list(operator)).map(({ details }) => details.disputeId)
    expect(await shown()).toContain(made.id)
    await world.database.asSystem((trx) =>
      sql`update alerts set created_at = now() - interval '15 days'
        where details->>'disputeId' = ${made.id}`.execute(trx),
    )
    expect(await shown()).not.toContain(made.id)
  })

  it('are told by the reconciliation of what no event told', async () => {
    await disputed()
    world.calm()
    world.clock.advance(1_000)
    await world.planes[1].reconciler.run()
    expect(await kinds()).toEqual([['dispute_opened', true]])
  })
})
