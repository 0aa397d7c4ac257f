import { randomBytes } from 'node:crypto'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Writable } from 'node:stream'
import { sql } from 'kysely'
import pg from 'pg'
import { pino } from 'pino'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts'
import { eventually } from '../../test/support/eventually.ts'
import { insertInstance, insertOrganization, insertUser } from '../../test/support/rows.ts'
import { testSecret } from '../../test/support/secret.ts'
import { dialLink, type SupervisorClient } from '../../test/support/supervisor-client.ts'
import { localKey } from '../adapters/secret-box/local-key.ts'
import { createSecretBox } from '../adapters/secret-box/secret-box.ts'
import { type Listener, openListener } from '../db/listen.ts'
import { type Principal, scopes, scopesOfRole } from '../domain/accounts/principal.ts'
import { createBackupKeys, rewrapBackupKeys } from '../domain/backups/keys.ts'
import { createSecretDelivery } from '../domain/secrets/delivery.ts'
import { rewrapSecrets } from '../domain/secrets/rewrap.ts'
import { createSecretService, type SecretOwner, type SecretService } from '../domain/secrets/service.ts'
import { attachUpgrades } from '../http/upgrades.ts'
import { newId } from '../ids.ts'
import { sha256 } from '../secrets.ts'
import { createMetrics } from '../telemetry/metrics.ts'
import { attachLink, type Link } from './link.ts'

interface Tenant {
  principal: Principal
  instanceId: string
  slotId: string
}

const keys = { old: localKey(randomBytes(32)), fresh: localKey(randomBytes(32)) }
const logged: string[] = []
const unusable: string[] = []

let database: TestDatabase
let listener: Listener
let server: Server
let link: Link
let url: string
let secrets: SecretService
let ann: Tenant
let bob: Tenant

beforeAll(async () => {
  database = await createTestDatabase()
  listener = openListener({ url: database.loginUrl })
  const box = createSecretBox([keys.old])
  secrets = createSecretService({ database, box, secret: testSecret })
  server = createServer()
  const log = pino(
    { level: 'trace' },
    new Writable({
      write: (chunk, _encoding, done) => {
        logged.push(String(chunk))
        done()
      },
    }),
  )
  const nodeId = newId()
  link = attachLink({
    upgrades: attachUpgrades(server),
    database,
    listener,
    nodeId,
    log,
    leaseSeconds: 900,
    desired: {
      secret: testSecret,
      graceSeconds: 20,
      modelBaseUrl: () => '/models/v1',
      models: () => ({ primary: 'demo/reef-demo', offered: [], warmup: 'demo/reef-demo' }),
      modelKey: (slotId) => `rmk_${slotId}`,
      origins: (slug) => [`http://${slug}.localhost:7301`],
      secrets: createSecretDelivery({ database, box, onUnusable: (_, { name }) => unusable.push(name) }),
    },
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const { port } = server.address() as AddressInfo
  url = `ws://127.0.0.1:${port}/link`
  await database.asSystem((trx) =>
    trx
      .insertInto('nodes')
      .values({ id: nodeId, internal_url: `http://127.0.0.1:${port}` })
      .execute(),
  )
})
afterAll(async () => {
  await link.close()
  server.closeAllConnections()
  await new Promise((done) => server.close(done))
  await listener.close()
  await database.drop()
})
beforeEach(async () => {
  ann = await createTenant()
  bob = await createTenant()
})

async function createTenant(organizationId?: string): Promise<Tenant> {
  const owner = organizationId
    ? { organizationId, userId: await insertUser(database) }
    : await insertOrganization(database)
  const { instanceId } = await insertInstance(database, owner)
  const slotId = newId()
  await database.asSystem((trx) =>
    sql`insert into slots (id, driver, state, spec_version, phase, instance_id, link_credential_hash)
      values (${slotId}, 'fake', 'assigned', 'test-1', 'running', ${instanceId}, ${sha256(slotId)})`.execute(
      trx,
    ),
  )
  const principal: Principal = {
    kind: 'person',
    ...owner,
    role: 'owner',
    scopes,
    familyId: newId(),
    apiKeyId: null,
  }
  return { principal, instanceId, slotId }
}

const dial = (tenant: Tenant): Promise<SupervisorClient> =>
  dialLink(url, tenant.slotId, { kind: 'link', token: tenant.slotId })

async function openSession(tenant: Tenant): Promise<string> {
  const id = newId()
  await database.asSystem((trx) =>
    trx
      .insertInto('sessions')
      .values({
        id,
        organization_id: tenant.principal.organizationId,
        instance_id: tenant.instanceId,
        user_id: tenant.principal.userId,
        closed_at: null,
        close_reason: null,
      })
      .execute(),
  )
  return id
}

const of = (tenant: Tenant, scope: SecretOwner['scope'] = 'instance'): SecretOwner =>
  scope === 'organization' ? { scope } : { scope, instanceId: tenant.instanceId }

async function valuesOf(client: SupervisorClient): Promise<Record<string, string>> {
  const welcome = await client.get('welcome')
  const pushed = client.received.findLast((message) => message.type === 'desired')
  const { desired } = pushed?.type === 'desired' ? pushed : welcome
  return Object.fromEntries((desired.secrets ?? []).map(({ name, value }) => [name, value]))
}

const audited = async (tenant: Tenant) =>
  (await secrets.audit(tenant.principal, tenant.instanceId)).map(
    ({ kind, name, version }) => `${kind} ${name} ${version}`,
  )

test('an instance is given its own secrets and its organization’s, and nobody else’s', async () => {
  await secrets.set(ann.principal, of(ann), 'OWN', { value: 'ann’s own' })
  await secrets.set(ann.principal, of(ann, 'organization'), 'SHARED', { value: 'ann’s company’s' })
  await secrets.set(bob.principal, of(bob), 'OWN', { value: 'bob’s own' })
  expect(await valuesOf(await dial(ann))).toEqual({ OWN: 'ann’s own', SHARED: 'ann’s company’s' })
  expect(await valuesOf(await dial(bob))).toEqual({ OWN: 'bob’s own' })
})

test('colleagues share the organization’s secrets and see nothing of each other’s', async () => {
  const { organizationId } = ann.principal
  const colleague = await createTenant(organizationId)
  await secrets.set(ann.principal, of(ann), 'OWN', { value: 'ann’s own' })
  await secrets.set(ann.principal, of(ann, 'organization'), 'SHARED', { value: 'of all' })
  await secrets.set(colleague.principal, of(colleague), 'OTHER', { value: 'the colleague’s' })
  expect(await valuesOf(await dial(ann))).toEqual({ OWN: 'ann’s own', SHARED: 'of all' })
  expect(await valuesOf(await dial(colleague))).toEqual({ OTHER: 'the colleague’s', SHARED: 'of all' })

  const member: Principal = { ...colleague.principal, role: 'member', scopes: scopesOfRole('member') }
  await expect(secrets.listOfInstance(member, ann.instanceId)).rejects.toMatchObject({ kind: 'notFound' })
  await expect(secrets.audit(member, ann.instanceId)).rejects.toMatchObject({ kind: 'notFound' })
  await expect(secrets.set(member, of(ann, 'organization'), 'SHARED', { value: 'x' })).rejects.toMatchObject({
    kind: 'notFound',
  })
  // Whoever administers the organization sees that there is a secret, and can put none there.
  const admin: Principal = { ...member, role: 'admin', scopes }
  expect(await secrets.listOfInstance(admin, ann.instanceId)).toHaveLength(2)
  const setting = secrets.set(admin, of(ann), 'OWN', { value: 'mine now' })
  await expect(setting).rejects.toMatchObject({ kind: 'notFound' })
  const removal = secrets.remove(admin, of(ann), 'OWN')
  await expect(removal).rejects.toMatchObject({ kind: 'notFound' })
})

test('of one name the narrowest wins, and a session’s ends with it', async () => {
  const client = await dial(ann)
  const sessionId = await openSession(ann)
  for (const scope of ['organization', 'instance', 'session'] as const)
    await secrets.set(ann.principal, of(ann, scope), 'TOKEN', { value: `of the ${scope}` })
  await eventually(async () => expect(await valuesOf(client)).toEqual({ TOKEN: 'of the session' }))
  const listed = await secrets.listOfInstance(ann.principal, ann.instanceId)
  expect(listed.map(({ scope, overridden }) => [scope, overridden]).sort()).toEqual([
    ['instance', true],
    ['organization', true],
    ['session', false],
  ])
  await database.asSystem(async (trx) => {
    await trx.updateTable('sessions').set({ closed_at: new Date() }).where('id', '=', sessionId).execute()
    await sql`select pg_notify('instance_changed', ${ann.instanceId})`.execute(trx)
  })
  await eventually(async () => expect(await valuesOf(client)).toEqual({ TOKEN: 'of the instance' }))
  expect(await audited(ann)).toContain('ended TOKEN 1')
  const left = await database.asSystem((trx) =>
    trx.selectFrom('secrets').select('id').where('session_id', '=', sessionId).execute(),
  )
  expect(left).toEqual([])
})

test('a new value, a removal and an exposure reach a running slot by themselves', async () => {
  const client = await dial(ann)
  await client.get('welcome')
  await secrets.set(ann.principal, of(ann), 'TOKEN', { value: 'first' })
  await eventually(async () => expect(await valuesOf(client)).toEqual({ TOKEN: 'first' }))
  await secrets.set(ann.principal, of(ann), 'TOKEN', { value: 'second', exposeToTools: true })
  await eventually(async () => {
    const message = await client.get('desired')
    expect(message.desired.secrets).toEqual([
      { name: 'TOKEN', value: 'second', version: 2, exposeToTools: true },
    ])
  })
  await secrets.remove(ann.principal, of(ann), 'TOKEN')
  await eventually(async () => expect(await valuesOf(client)).toEqual({}))
})

test('each use is written down: who changed it, which version went to which slot, once for each link', async () => {
  await secrets.set(ann.principal, of(ann), 'TOKEN', { value: 'first' })
  const client = await dial(ann)
  await client.get('welcome')
  await secrets.set(ann.principal, of(ann), 'TOKEN', { value: 'second' })
  await eventually(async () =>
    expect(await audited(ann)).toEqual([
      'delivered TOKEN 2',
      'rotated TOKEN 2',
      'delivered TOKEN 1',
      'created TOKEN 1',
    ]),
  )
  const events = await secrets.audit(ann.principal, ann.instanceId)
  expect(events[0]).toMatchObject({ slotId: ann.slotId, userId: null, instanceId: ann.instanceId })
  expect(events[1]).toMatchObject({ slotId: null, userId: ann.principal.userId })
  // Another secret makes no second delivery of this one; another link does.
  await secrets.set(ann.principal, of(ann), 'OTHER', { value: 'other' })
  await eventually(async () => expect(await audited(ann)).toContain('delivered OTHER 1'))
  const count = async () => (await audited(ann)).filter((line) => line === 'delivered TOKEN 2').length
  expect(await count()).toBe(1)
  await (await dial(ann)).get('welcome')
  await eventually(async () => expect(await count()).toBe(2))
  expect((await secrets.listOfInstance(ann.principal, ann.instanceId))[0]?.lastUsedAt).not.toBeNull()
  expect(await audited(bob)).toEqual([])
})

test('of ten people who set one secret at once each makes a version of their own', async () => {
  const values = Array.from({ length: 10 }, (_, index) => `value ${index}`)
  const results = await Promise.allSettled(
    values.map((value) => secrets.set(ann.principal, of(ann), 'RACED', { value })),
  )
  const versions = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value.version] : []))
  expect(new Set(versions).size).toBe(versions.length)
  const [listed] = await secrets.listOfInstance(ann.principal, ann.instanceId)
  expect(listed?.version).toBe(versions.length)
  // The row opens: its sealed value belongs to its version.
  expect(values).toContain((await valuesOf(await dial(ann))).RACED)
})

test('a row that was copied to another tenant opens nothing, and the others are still delivered', async () => {
  await secrets.set(ann.principal, of(ann), 'STOLEN', { value: 'ann’s' })
  await secrets.set(bob.principal, of(bob), 'STOLEN', { value: 'bob’s' })
  await secrets.set(bob.principal, of(bob), 'OTHER', { value: 'bob’s other' })
  await database.asSystem((trx) =>
    sql`update secrets set sealed = (select sealed from secrets where name = 'STOLEN' and instance_id = ${ann.instanceId})
      where name = 'STOLEN' and instance_id = ${bob.instanceId}`.execute(trx),
  )
  expect(await valuesOf(await dial(bob))).toEqual({ OTHER: 'bob’s other' })
  expect(unusable).toContain('STOLEN')
})

test('the tenants’ role cannot read a sealed value', async () => {
  await secrets.set(ann.principal, of(ann), 'TOKEN', { value: 'value' })
  const reading = database.inTenant(ann.principal.organizationId, (trx) =>
    trx.selectFrom('secrets').select('sealed').execute(),
  )
  await expect(reading).rejects.toThrow(/permission denied/)
})

test('rotating the key-encryption key brings every secret under the new one, and they still open', async () => {
  await secrets.set(ann.principal, of(ann), 'TOKEN', { value: 'kept' })
  const rotating = createSecretBox([keys.fresh, keys.old])
  const lost: string[] = []
  const count = await rewrapSecrets({ database, box: rotating, onUnusable: (_, id) => lost.push(id) })
  expect(count).toBeGreaterThan(0)
  expect(await rewrapSecrets({ database, box: rotating, onUnusable: () => undefined })).toBe(0)
  const after = createSecretDelivery({
    database,
    box: createSecretBox([keys.fresh]),
    onUnusable: () => undefined,
  })
  expect((await after.load([ann.instanceId])).get(ann.instanceId)).toMatchObject([
    { name: 'TOKEN', value: 'kept' },
  ])
  // Back, for the tests that follow.
  await rewrapSecrets({ database, box: createSecretBox([keys.old, keys.fresh]), onUnusable: () => undefined })
})

test('so it does with the keys of people’s backups', async () => {
  const keyPairs = { generate: async () => ({ recipient: 'public half', identity: 'private half' }) }
  const { userId } = ann.principal
  const before = createBackupKeys({ database, box: createSecretBox([keys.old]), keyPairs })
  await before.recipientOf(userId)
  const rotating = createSecretBox([keys.fresh, keys.old])
  expect(await rewrapBackupKeys({ database, box: rotating, onUnusable: () => undefined })).toBe(1)
  expect(await rewrapBackupKeys({ database, box: rotating, onUnusable: () => undefined })).toBe(0)
  const after = createBackupKeys({ database, box: createSecretBox([keys.fresh]), keyPairs })
  expect(await after.identityOf(userId)).toBe('private half')
})

test('a value is in no table, log line, metric, answer or refusal', async () => {
  const canary = `canary${randomBytes(24).toString('hex')}`
  const answers: unknown[] = []
  const keep = async (work: Promise<unknown>): Promise<void> => {
    answers.push(await work.catch((error: Error) => `${error.message} ${error.stack} ${String(error.cause)}`))
  }
  const client = await dial(ann)
  await client.get('welcome')
  for (const name of ['CANARY', 'lower case', 'PATH'])
    await keep(secrets.set(ann.principal, of(ann), name, { value: canary }))
  await keep(secrets.set(ann.principal, of(ann), 'LONG', { value: canary.repeat(1_000) }))
  await keep(secrets.set(ann.principal, of(ann, 'session'), 'CANARY', { value: canary }))
  await keep(secrets.set(bob.principal, of(ann), 'CANARY', { value: canary }))
  await keep(
    secrets.set(ann.principal, of(ann, 'organization'), 'SHARED', { value: canary, exposeToTools: true }),
  )
  await eventually(async () => expect(await valuesOf(client)).toEqual({ CANARY: canary, SHARED: canary }))
  await keep(secrets.listOfInstance(ann.principal, ann.instanceId))
  await keep(secrets.listOfOrganization(ann.principal))
  await eventually(async () => expect(await audited(ann)).toContain('delivered CANARY 1'))
  await keep(secrets.audit(ann.principal, null))

  expect(answers).toHaveLength(10)
  expect(JSON.stringify(answers)).not.toContain(canary)
  expect(logged.length).toBeGreaterThan(0)
  expect(logged.join('')).not.toContain(canary)
  const { text: metrics } = await createMetrics(database).render()
  expect(metrics).toContain(`reef_sealed_values{kind="secret",key="${keys.old.id}"}`)
  expect(metrics).not.toContain(canary)
  const dump = await dumpDatabase()
  expect(dump).toContain('CANARY')
  for (const form of [canary, Buffer.from(canary).toString('base64url'), Buffer.from(canary).toString('hex')])
    expect(dump).not.toContain(form)
})

/** Every row of every table, as whoever steals the database sees it. */
async function dumpDatabase(): Promise<string> {
  const admin = new pg.Client({ connectionString: database.adminUrl })
  await admin.connect()
  try {
    const tables = await admin.query<{ name: string }>(
      "select table_name as name from information_schema.tables where table_schema = 'public'",
    )
    const texts: string[] = []
    for (const { name } of tables.rows) {
      const rows = await admin.query<{ row: string }>(`select to_jsonb(t)::text as row from ${name} t`)
      texts.push(name, ...rows.rows.map(({ row }) => row))
    }
    return texts.join('\n')
  } finally {
    await admin.end()
  }
}
