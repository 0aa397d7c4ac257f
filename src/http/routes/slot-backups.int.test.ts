import type { AddressInfo } from 'node:net'
import { pino } from 'pino'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { eventually } from '../../../test/support/eventually.ts'
import { testSecret } from '../../../test/support/secret.ts'
import { sendUnfinished, type Unfinished } from '../../../test/support/unfinished.ts'
import { newId } from '../../ids.ts'
import { deliveryKeys } from '../../slot-key.ts'
import { createServer, type Server } from '../server.ts'
import { registerSlotBackupRoutes, type SlotBackupRouteDeps } from './slot-backups.ts'

let app: Server
let url: string
const arrived: number[] = []

beforeAll(async () => {
  app = await createServer({ log: pino({ level: 'silent' }), version: 'test' })
  const intake = { append: async (...[, , , body]: unknown[]) => void arrived.push((body as Buffer).length) }
  await registerSlotBackupRoutes(app, {
    secret: testSecret,
    // As much of it as these tests call.
    intake: intake as unknown as SlotBackupRouteDeps['intake'],
    restores: {} as SlotBackupRouteDeps['restores'],
  })
  await app.listen({ host: '127.0.0.1', port: 0 })
  url = `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`
})
afterAll(async () => {
  app.server.closeAllConnections()
  await app.close()
})

test('a slot that begins many parts and ends none is refused more of them, until it gives some up', async () => {
  const path = `${url}/slot/backups/${newId()}/content?offset=0`
  const headers = {
    authorization: `Bearer ${deliveryKeys.of(testSecret, newId())}`,
    'content-type': 'application/octet-stream',
  }
  const begun: Unfinished[] = []
  for (let count = 0; count < 17; count++)
    begun.push(await sendUnfinished(path, { method: 'PUT', headers, bytes: 100 }))
  const refused = await Promise.race(begun.map(({ answer }) => answer))
  expect([refused.statusCode, refused.headers['retry-after']]).toEqual([429, '1'])
  const deliver = () => fetch(path, { method: 'PUT', headers, body: Buffer.alloc(100) })
  expect((await deliver()).status).toBe(429)

  for (const { request } of begun) request.destroy()
  await eventually(async () => expect((await deliver()).status).toBe(200))
  expect(arrived.at(-1)).toBe(100)
})
