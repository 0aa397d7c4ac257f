import { afterAll, beforeAll, expect, it } from 'vitest'
import { insertCompleteBackup, insertRestore } from '../../../test/backups/support/rows.ts'
import { startTestApp, type TestApp } from '../../../test/support/app.ts'
import type { Me, TestClient } from '../../../test/support/client.ts'
import type { Backup, Restore } from '../../domain/backups/backup.ts'
import type { RestorePreview } from '../../domain/backups/restore-choice.ts'

let app: TestApp
let ada: TestClient
let stranger: TestClient
let owner: { organizationId: string; userId: string; instanceId: string }

beforeAll(async () => {
  app = await startTestApp()
  ada = await app.person('ada@example.com')
  stranger = await app.person('stranger@example.com')
  const instance = await ada.provision()
  const me = await ada.call<Me>('GET', '/api/me')
  owner = { organizationId: me.organization.id, userId: me.user.id, instanceId: instance.id }
  await stranger.provision()
})
afterAll(() => app.end())

const listed = async (client: TestClient): Promise<Backup[]> =>
  (await client.call<{ backups: Backup[] }>('GET', `/api/instances/${owner.instanceId}/backups`)).backups

it('a backup is asked for once however often it is asked for, and is listed', async () => {
  const asked = await ada.call<Backup>('POST', '/api/backup')
  const again = await ada.call<Backup>('POST', '/api/backup', { instanceId: owner.instanceId })
  expect(again.id).toBe(asked.id)
  expect(asked).toMatchObject({ kind: 'full', reason: 'on_demand', locations: [] })
  expect((await listed(ada)).map((backup) => backup.id)).toEqual([asked.id])
})

it('a day stands for the last backup until its end, in UTC', async () => {
  const at = (time: string) => insertCompleteBackup(app.database, owner, { completedAt: new Date(time) })
  const evening = await at('2026-02-08T23:59:30Z')
  await at('2026-02-08T03:00:00Z')
  await at('2026-02-09T00:00:30Z')
  const preview = await ada.call<RestorePreview>('POST', '/api/restore', {
    date: '2026-02-08',
    preview: true,
  })
  expect(preview.backup.id).toBe(evening)
  expect(preview.lost).toEqual({
    since: '2026-02-08T23:59:30.000Z',
    conversationsChanged: true,
    backupsInBetween: 1,
  })
  const before = await ada.raw('POST', '/api/restore', { date: '2026-02-07', preview: true })
  expect([before.status, await before.text()]).toEqual([409, expect.stringContaining('2026-02-07')])
  expect((await ada.raw('POST', '/api/restore', { date: '2026-02-31x' })).status).toBe(400)
})

it('a checkpoint whose backup is gone is never chosen', async () => {
  const base = await insertCompleteBackup(app.database, owner, { completedAt: new Date('2030-01-01') })
  await insertCompleteBackup(app.database, owner, {
    kind: 'checkpoint',
    baseBackupId: base,
    completedAt: new Date('2030-01-02'),
  })
  const newest = () => ada.call<RestorePreview>('POST', '/api/restore', { preview: true })
  expect((await newest()).backup.kind).toBe('checkpoint')
  await app.database.asSystem((trx) =>
    trx.updateTable('backups').set({ state: 'deleted' }).where('id', '=', base).execute(),
  )
  expect((await newest()).backup.kind).toBe('full')
})

it('nobody else can back up, preview or restore, whatever they name', async () => {
  const [backup] = await listed(ada)
  const answers = await Promise.all(
    [
      stranger.raw('POST', '/api/backup', { instanceId: owner.instanceId }),
      stranger.raw('POST', '/api/backup', { user: 'ada@example.com' }),
      stranger.raw('POST', '/api/restore', { instanceId: owner.instanceId, preview: true }),
      stranger.raw('POST', '/api/restore', { backupId: backup?.id, preview: true }),
      stranger.raw('POST', '/api/restore', { user: 'ada@example.com' }),
      stranger.raw('GET', `/api/instances/${owner.instanceId}/backups`),
    ].map(async (answer) => (await answer).status),
  )
  expect(answers).toEqual([404, 404, 404, 404, 404, 404])
})

it('restores of an instance are listed, the newest first, to those who may see it', async () => {
  const backupId = await insertCompleteBackup(app.database, owner)
  const first = await insertRestore(app.database, owner, backupId)
  const second = await insertRestore(app.database, owner, backupId)
  const path = `/api/instances/${owner.instanceId}/restores`
  const { restores } = await ada.call<{ restores: Restore[] }>('GET', path)
  expect(restores).toMatchObject([
    { id: second, backupId, kind: 'requested', state: 'succeeded' },
    { id: first },
  ])
  expect((await stranger.raw('GET', path)).status).toBe(404)
})

it('slots get nothing with a key that is not theirs', async () => {
  const ask = (authorization?: string) =>
    fetch(`${app.url}/slot/checkpoints`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...(authorization ? { authorization } : {}) },
      body: '{"base":null}',
    })
  for (const key of [undefined, 'Bearer rsk_x', `Bearer rsk_${owner.instanceId}_${'a'.repeat(43)}`])
    expect((await ask(key)).status).toBe(401)
  expect((await ask(`Bearer ${ada.tokens.accessToken}`)).status).toBe(401)
})

it('what was saved of a deleted instance can be put into the next one of the same person, and of nobody else', async () => {
  const grace = await app.person('grace@example.com')
  const first = await grace.provision()
  const me = await grace.call<Me>('GET', '/api/me')
  const whose = { organizationId: me.organization.id, userId: me.user.id, instanceId: first.id }
  const backupId = await insertCompleteBackup(app.database, whose)
  await grace.call('DELETE', '/api/deprovision')
  await grace.call('POST', '/api/provision', {})
  const own = await grace.call<{ backups: Backup[] }>('GET', '/api/backups')
  expect(own.backups.map((backup) => backup.id)).toEqual([backupId])
  const preview = await grace.call<RestorePreview>('POST', '/api/restore', { backupId, preview: true })
  expect(preview.backup.id).toBe(backupId)
  expect((await ada.raw('POST', '/api/restore', { backupId, preview: true })).status).toBe(404)
})

it('an alarm of one organization is not another’s, and one of the whole Reef is everybody’s', async () => {
  await app.database.asSystem((trx) =>
    trx
      .insertInto('backup_alarms')
      .values([
        {
          id: crypto.randomUUID(),
          kind: 'backup_failed',
          organization_id: owner.organizationId,
          instance_id: owner.instanceId,
          message: 'Of Ada alone.',
        },
        { id: crypto.randomUUID(), kind: 'remote_unavailable', message: 'Of all.' },
      ])
      .execute(),
  )
  const messages = async (client: TestClient) =>
    (await client.call<{ alarms: { message: string }[] }>('GET', '/api/backup-alarms')).alarms.map(
      (alarm) => alarm.message,
    )
  expect((await messages(ada)).sort()).toEqual(['Of Ada alone.', 'Of all.'])
  expect(await messages(stranger)).toEqual(['Of all.'])
})
