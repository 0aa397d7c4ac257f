import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { clearStaleOwnerLease } from './stale-lease.ts'

const now = 1_000_000_000
let state: string
let database: DatabaseSync

beforeEach(() => {
  state = mkdtempSync(join(tmpdir(), 'reef-lease-'))
  mkdirSync(join(state, 'state'))
  database = new DatabaseSync(join(state, 'state', 'openclaw.sqlite'))
  // As OpenClaw 2026.9.6 makes it.
  database.exec(
    'create table state_leases (scope text not null, lease_key text not null, owner text not null, expires_at integer, heartbeat_at integer, payload_json text, created_at integer not null, updated_at integer not null, primary key (scope, lease_key)) strict',
  )
})
afterEach(() => {
  database.close()
  rmSync(state, { recursive: true })
})

function lease(host: string, heartbeatAgoMs: number): void {
  database.prepare("insert into state_leases values ('gateway-owner', 'global', 'o', ?, ?, ?, 0, 0)").run(
    now - heartbeatAgoMs + 300_000,
    now - heartbeatAgoMs,
    JSON.stringify({
      owner: { pid: 7, host, startedAt: 1 },
      port: 1,
      mode: 'foreground',
      supervisor: null,
    }),
  )
}
const leases = () => database.prepare('select * from state_leases').all().length

test('a lease of another host that nobody renews is removed', () => {
  lease('an-earlier-container', 80_000)
  expect(clearStaleOwnerLease(state, now)).toBe(0)
  expect(leases()).toBe(0)
})

test('one that was just renewed is left, and the wait is what a renewal would take', () => {
  lease('an-earlier-container', 10_000)
  expect(clearStaleOwnerLease(state, now)).toBe(65_000)
  expect(leases()).toBe(1)
})

test('a lease of this host is left to OpenClaw, which can look at its process', () => {
  lease(hostname(), 80_000)
  expect(clearStaleOwnerLease(state, now)).toBe(0)
  expect(leases()).toBe(1)
})

test('a state directory that OpenClaw has never used is no obstacle', () => {
  expect(clearStaleOwnerLease(join(state, 'nowhere'), now)).toBe(0)
  database.exec('drop table state_leases')
  expect(clearStaleOwnerLease(state, now)).toBe(0)
})
