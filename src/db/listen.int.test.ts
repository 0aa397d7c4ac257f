import { connect, createServer, type Socket } from 'node:net'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts'
import { type Listener, openListener } from './listen.ts'
import { notify } from './notify.ts'

const patiently = { timeout: 10_000 }

let database: TestDatabase
let listener: Listener
beforeAll(async () => {
  database = await createTestDatabase()
})
afterEach(() => listener.close())
afterAll(() => database.drop())

function listen(url: string) {
  const hints: string[] = []
  const onReconnect = vi.fn()
  listener = openListener({ url, heartbeatSeconds: 0.6 })
  listener.subscribe('slot_changed', { onHint: (id) => hints.push(id), onReconnect })
  return { hints, onReconnect }
}

const hint = (id: string) => database.asSystem((trx) => notify(trx, 'slot_changed', id))

it('delivers hints once the transaction commits', async () => {
  const { hints, onReconnect } = listen(database.loginUrl)
  await vi.waitFor(() => expect(onReconnect).toHaveBeenCalled(), patiently)
  await hint('a')
  await vi.waitFor(() => expect(hints).toEqual(['a']), patiently)
})

it('asks for a full check after its backend was killed, and hears hints again', async () => {
  const { hints, onReconnect } = listen(database.loginUrl)
  await vi.waitFor(() => expect(onReconnect).toHaveBeenCalledTimes(1), patiently)
  const admin = new pg.Client({ connectionString: database.adminUrl })
  await admin.connect()
  await admin.query(
    "select pg_terminate_backend(pid) from pg_stat_activity where query like 'listen%' and datname = current_database()",
  )
  await admin.end()
  await vi.waitFor(() => expect(onReconnect).toHaveBeenCalledTimes(2), patiently)
  await hint('b')
  await vi.waitFor(() => expect(hints).toEqual(['b']), patiently)
})

it('notices a half-open connection that stays silent', async () => {
  const target = new URL(database.loginUrl)
  const server = { port: Number(target.port), host: target.hostname }
  const sockets: Socket[] = []
  let silent = false
  const relay = createServer((client) => {
    const upstream = connect(server)
    sockets.push(client, upstream)
    for (const socket of [client, upstream]) socket.on('error', () => undefined)
    const mute = silent
    client.on('data', (data) => (silent && !mute ? undefined : upstream.write(data)))
    upstream.on('data', (data) => (silent && !mute ? undefined : client.write(data)))
  })
  await new Promise<void>((done) => relay.listen(0, '127.0.0.1', done))
  target.port = String((relay.address() as { port: number }).port)
  const { onReconnect } = listen(target.href)
  await vi.waitFor(() => expect(onReconnect).toHaveBeenCalledTimes(1), patiently)
  silent = true
  await vi.waitFor(() => expect(onReconnect).toHaveBeenCalledTimes(2), patiently)
  for (const socket of sockets) socket.destroy()
  relay.close()
})
