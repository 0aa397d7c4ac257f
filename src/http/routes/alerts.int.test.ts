import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { sql } from 'kysely'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../../../test/support/database.ts'
import { eventually } from '../../../test/support/eventually.ts'
import { startMailServer, type TestMailServer } from '../../../test/support/mail-server.ts'
import { insertInstance, insertOrganization, insertUser } from '../../../test/support/rows.ts'
import { testSecret } from '../../../test/support/secret.ts'
import { openSmtpMailer } from '../../adapters/smtp/mailer.ts'
import { createWebhookSender } from '../../adapters/webhook/sender.ts'
import { openListener } from '../../db/listen.ts'
import type { Principal } from '../../domain/accounts/principal.ts'
import { scopes } from '../../domain/accounts/principal.ts'
import { type AlertDeliveriesDeps, sendDueAlerts } from '../../domain/credits/alert-deliveries.ts'
import { type AlertService, createAlertService } from '../../domain/credits/alert-service.ts'
import { createAlertWorker } from '../../domain/credits/alert-worker.ts'
import { clearAlert, type NewAlert, raiseAlert } from '../../domain/credits/alerts.ts'
import { watchBalances } from '../../domain/credits/balance-watch.ts'
import { applyOperations } from '../../domain/credits/ledger-store.ts'
import { createOperators } from '../../domain/operators/operators.ts'
import { newId } from '../../ids.ts'

interface Posted {
  headers: IncomingMessage['headers']
  body: string
}

let database: TestDatabase
let mailServer: TestMailServer
let receiver: Server
let posted: Posted[]
let answer: { status: number; headers?: Record<string, string> }
let deps: AlertDeliveriesDeps
let alerts: AlertService
let organizationId: string
let owner: Principal

beforeAll(async () => {
  database = await createTestDatabase()
  mailServer = await startMailServer()
  receiver = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    posted.push({ headers: request.headers, body: Buffer.concat(chunks).toString() })
    response.writeHead(answer.status, answer.headers).end('thanks')
  }).listen(0, '127.0.0.1')
  await once(receiver, 'listening')
  const webhooks = createWebhookSender({ privateAllowed: ['127.0.0.0/8'] })
  const mailer = openSmtpMailer({ url: mailServer.url, from: 'Reef <reef@example.test>' })
  deps = { database, secret: testSecret, mailer, webhooks, publicUrl: 'https://reef.example.test' }
  alerts = createAlertService({
    database,
    secret: testSecret,
    webhooks,
    operators: createOperators(database),
  })
})
afterAll(async () => {
  deps.mailer?.close()
  await mailServer.close()
  receiver.close()
  await database.drop()
})
beforeEach(async () => {
  posted = []
  mailServer.mails.length = 0
  mailServer.refuse(undefined)
  answer = { status: 204 }
  await database.asSystem((trx) => trx.deleteFrom('alert_deliveries').execute())
  const made = await insertOrganization(database)
  await confirmAddress(made.userId)
  organizationId = made.organizationId
  const { userId } = made
  owner = { kind: 'person', userId, organizationId, role: 'owner', scopes, familyId: newId(), apiKeyId: null }
})

const receiverUrl = () => `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hook`
const alert = (values: Partial<NewAlert> = {}): NewAlert => ({
  organizationId,
  kind: 'top_up_failed',
  severity: 'warning',
  title: 'The card was declined',
  message: 'Automatic top-up is off. Use another card under Credits & <payments>.',
  details: { attempts: 3 },
  key: `top_up_failed:${organizationId}`,
  ...values,
})
const raise = (values: Partial<NewAlert> = {}) => database.asSystem((trx) => raiseAlert(trx, alert(values)))
const deliveries = () =>
  database.asSystem((trx) =>
    trx
      .selectFrom('alert_deliveries')
      .selectAll()
      .where('organization_id', '=', organizationId)
      .orderBy('channel')
      .execute(),
  )
const makeDue = () =>
  database.asSystem((trx) =>
    sql`update alert_deliveries set next_attempt_at = now() where next_attempt_at is not null`.execute(trx),
  )
const confirmAddress = (userId: string) =>
  database.asSystem((trx) =>
    trx.updateTable('users').set({ email_verified: true }).where('id', '=', userId).execute(),
  )
const addMember = async (role: 'admin' | 'member', email: string, confirmed = true): Promise<string> => {
  const userId = await insertUser(database)
  await database.asSystem((trx) =>
    trx.updateTable('users').set({ email, email_verified: confirmed }).where('id', '=', userId).execute(),
  )
  await database.asSystem((trx) =>
    trx
      .insertInto('members')
      .values({ organization_id: organizationId, user_id: userId, role, name: role, email })
      .execute(),
  )
  return userId
}

describe('alerts', () => {
  it('are told once until they are over', async () => {
    expect([await raise(), await raise()]).toEqual([true, false])
    await database.asSystem((trx) => clearAlert(trx, alert().key))
    expect(await alerts.list(owner)).toEqual([])
    expect(await raise()).toBe(true)
    expect(await alerts.list(owner)).toMatchObject([{ kind: 'top_up_failed', details: { attempts: 3 } }])
  })

  it('are mailed to owners and administrators and whom they are about, and to nobody else', async () => {
    const about = await addMember('member', 'about@example.test')
    await addMember('admin', 'admin@example.test')
    await addMember('member', 'other@example.test')
    await addMember('admin', 'somebody-elses@example.test', false)
    await raise({ userId: about })
    await sendDueAlerts(deps)
    expect(mailServer.mails.flatMap(({ to }) => to).sort()).toEqual(
      ['about@example.test', 'admin@example.test', `${owner.userId}@example.test`].sort(),
    )
    const { text } = mailServer.mails[0] as { text: string }
    expect(text).toContain('Subject: [Reef] Test: The card was declined')
    expect(text).toContain('https://reef.example.test/credits')
    expect(text).toContain('Credits &amp; &lt;payments&gt;')
    expect(text).not.toMatch(/<img|<script|http:\/\//)
  })

  it('are posted with a signature over the raw body, under an id that stays', async () => {
    const { secret } = await alerts.setWebhook(owner, { url: receiverUrl(), rotateSecret: false })
    await raise()
    answer = { status: 500 }
    await sendDueAlerts(deps)
    answer = { status: 200 }
    await makeDue()
    await sendDueAlerts(deps)
    expect(posted).toHaveLength(2)
    const [first, second] = posted as [Posted, Posted]
    expect(second.headers['reef-delivery']).toBe(first.headers['reef-delivery'])
    expect(JSON.parse(second.body)).toMatchObject({ type: 'alert', kind: 'top_up_failed', organizationId })
    const [, at, given] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(String(second.headers['reef-signature'])) ?? []
    expect(given).toBe(createHmac('sha256', secret).update(`${at}.${second.body}`).digest('hex'))
    expect(Math.abs(Number(at) - Date.now() / 1000)).toBeLessThan(60)
    expect(await alerts.getWebhook(owner)).toMatchObject({
      lastDelivery: { state: 'delivered', failure: null },
    })
    const rotated = await alerts.setWebhook(owner, { url: receiverUrl(), rotateSecret: true })
    expect(rotated.secret).not.toBe(secret)
  })

  it('are tried again with growing waits, and given up after the last', async () => {
    await alerts.setWebhook(owner, { url: receiverUrl(), rotateSecret: false })
    await raise()
    answer = { status: 503 }
    mailServer.refuse({ code: 451, message: 'canary-of-the-server' })
    const waits: number[] = []
    for (;;) {
      await makeDue()
      await sendDueAlerts(deps)
      const [, hook] = await deliveries()
      if (!hook?.next_attempt_at) break
      waits.push(hook.next_attempt_at.getTime())
    }
    expect(waits.length).toBeGreaterThan(5)
    expect(await deliveries()).toMatchObject([
      { channel: 'email', delivered_at: null, failure: 'The mail server did not take the mail (451).' },
      { channel: 'webhook', delivered_at: null, failure: 'It answered 503.' },
    ])
    expect(await alerts.getWebhook(owner)).toMatchObject({ lastDelivery: { state: 'failed' } })
  })

  it('are sent by whoever comes next when a control plane dies while it sends', async () => {
    await raise()
    const sending = Promise.withResolvers<void>()
    const taken = Promise.withResolvers<void>()
    const slow = {
      send: () => {
        sending.resolve()
        return taken.promise
      },
      close: () => undefined,
    }
    const first = sendDueAlerts({ ...deps, mailer: slow })
    await sending.promise
    expect(await sendDueAlerts(deps)).toBe(0)
    // Its time is over.
    await makeDue()
    mailServer.refuse({ code: 451, message: 'later' })
    expect(await sendDueAlerts(deps)).toBe(1)
    expect(await deliveries()).toMatchObject([{ attempts: 2, delivered_at: null }])
    // It was only slow: what it sent is sent.
    taken.resolve()
    await first
    expect(await deliveries()).toMatchObject([{ next_attempt_at: null, failure: null }])
    expect((await deliveries())[0]?.delivered_at).not.toBeNull()
  })

  it('are sent by one of many control planes', async () => {
    await raise()
    await Promise.all(Array.from({ length: 6 }, () => sendDueAlerts(deps)))
    expect(mailServer.mails).toHaveLength(1)
  })

  it('need no mail server: they say that they were not mailed', async () => {
    await raise()
    await sendDueAlerts({ ...deps, mailer: undefined })
    expect(await deliveries()).toMatchObject([
      { next_attempt_at: null, failure: 'No mail server is configured (REEF_SMTP_URL).' },
    ])
  })

  it('are dismissed by each person for themselves, and show members what concerns them', async () => {
    const memberId = await addMember('member', 'member@example.test')
    const member: Principal = { ...owner, userId: memberId, role: 'member' }
    await raise()
    await raise({ kind: 'balance_low', key: `balance_low:${organizationId}` })
    expect((await alerts.list(member)).map(({ kind }) => kind)).toEqual(['balance_low'])
    const [newest] = await alerts.list(owner)
    await alerts.dismiss(owner, newest?.id as string)
    expect(await alerts.list(owner)).toHaveLength(1)
    expect(await alerts.list(member)).toHaveLength(1)
  })

  it('about the whole Reef go to its operators', async () => {
    await database.asSystem((trx) => trx.insertInto('operators').values({ user_id: owner.userId }).execute())
    await raise({ organizationId: null, kind: 'ledger_damaged', key: 'ledger_damaged' })
    expect(await alerts.list(owner)).toMatchObject([{ kind: 'ledger_damaged', forOperators: true }])
    await sendDueAlerts(deps)
    expect(mailServer.mails.map(({ to }) => to)).toEqual([[`${owner.userId}@example.test`]])
    await alerts.dismiss(owner, (await alerts.list(owner))[0]?.id as string)
    expect(await alerts.list(owner)).toEqual([])
  })
})

describe('balances', () => {
  const post = (kind: 'grant' | 'refund', amount: number) =>
    database.asSystem((trx) =>
      applyOperations(trx, [{ kind, organizationId, key: `${kind}:${amount}`, amount }]),
    )
  const kinds = async () => {
    await watchBalances(database)
    return (await alerts.list(owner)).map(({ kind }) => kind)
  }

  it('are told of when they run low and out, and no more when they are well again', async () => {
    expect(await kinds()).toEqual([])
    await post('grant', 500_000_000)
    expect(await kinds()).toEqual([])
    await post('refund', 460_000_000)
    expect([await kinds(), await kinds()]).toEqual([['balance_low'], ['balance_low']])
    await post('refund', 40_000_000)
    expect(await kinds()).toEqual(['credits_exhausted', 'balance_low'])
    await post('grant', 100_000_000)
    expect(await kinds()).toEqual([])
  })

  it('are no longer said to be low once credits came in, and said anew when those are few too', async () => {
    await post('grant', 5_000_000)
    expect(await kinds()).toEqual(['balance_low'])
    await post('grant', 20_000_000)
    expect(await kinds()).toEqual(['balance_low'])
    const [told] = await alerts.list(owner)
    expect(told?.message).toContain('25 credits are left')
    await post('grant', 30_000_000)
    // Above the threshold, but not by so much that it would not come back at once.
    expect(await kinds()).toEqual([])
    await post('refund', 6_000_000)
    expect(await kinds()).toEqual(['balance_low'])
    await post('refund', 1_000_000)
    expect(await kinds()).toEqual(['balance_low'])
  })

  it('are looked at as soon as credits come, and hint those who show them', async () => {
    const listener = openListener({ url: database.loginUrl })
    const hints: string[] = []
    listener.subscribe('credits_changed', { onHint: (id) => hints.push(id), onReconnect: () => undefined })
    const errors: unknown[] = []
    const worker = createAlertWorker({
      ...deps,
      listener,
      trials: { sweep: async () => 0 },
      onError: (error) => errors.push(error),
    })
    await post('grant', 5_000_000)
    await worker.start()
    await eventually(async () => expect(await alerts.list(owner)).toHaveLength(1))
    await eventually(() => expect(hints).toContain(organizationId))
    hints.length = 0
    await post('grant', 500_000_000)
    // Long before the next watch.
    await eventually(async () => expect(await alerts.list(owner)).toEqual([]))
    // Of the credits, and of the alert that is over.
    await eventually(() => expect(hints).toEqual([organizationId, organizationId]))
    await worker.stop()
    await listener.close()
    expect(errors).toEqual([])
  })

  it('count as used up when something had to stop, though a little is left', async () => {
    await post('grant', 300_000)
    expect(await kinds()).toEqual(['balance_low'])
    const { instanceId } = await insertInstance(database, { organizationId, userId: owner.userId })
    await database.asSystem((trx) =>
      trx.updateTable('instances').set({ credit_hold: 'credits' }).where('id', '=', instanceId).execute(),
    )
    expect(await kinds()).toEqual(['credits_exhausted', 'balance_low'])
  })
})
