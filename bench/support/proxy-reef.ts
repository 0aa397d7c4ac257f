import { randomBytes } from 'node:crypto'
import { pino } from 'pino'
import { systemClock } from '../../src/clock.ts'
import type { Principal } from '../../src/domain/accounts/principal.ts'
import type { InstanceTarget } from '../../src/domain/instances/target.ts'
import { newId } from '../../src/ids.ts'
import { createProxy } from '../../src/proxy/proxy.ts'
import { createVisitCookie } from '../../src/proxy/visit-cookie.ts'
import { openRootSecret } from '../../src/secrets.ts'

/** Reef's proxy as it ships, over ports that answer from memory: what the database would cost is not measured here. */
const address = process.argv[2] as string
const secret = openRootSecret(randomBytes(32))
const principal: Principal = {
  kind: 'person',
  userId: newId(),
  organizationId: newId(),
  role: 'owner',
  scopes: ['chat'],
  familyId: newId(),
  apiKeyId: null,
}
const target: InstanceTarget = {
  instanceId: newId(),
  organizationId: principal.organizationId,
  ownerUserId: principal.userId,
  slug: 'bench',
  status: 'running',
  wanted: true,
  asleep: false,
  hold: null,
  reason: null,
  slotId: newId(),
  address,
  ready: true,
}
const proxy = createProxy({
  authenticator: { authenticate: async () => principal },
  logIns: { isOpen: async () => true },
  targets: {
    findByCaller: async () => target,
    findBySession: async () => target,
    findBySlug: async () => target,
    mayVisit: async () => true,
  },
  attendance: { wake: async () => undefined, seen: () => undefined },
  visits: { redeem: async () => undefined },
  secret,
  clock: systemClock,
  log: pino({ level: 'silent' }),
  domain: 'localhost',
  publicUrl: 'http://127.0.0.1:7301',
  dashboardUrl: 'http://127.0.0.1:7300',
  dashboardOrigins: [],
})
const port = await proxy.listen('127.0.0.1', 0)
const visit = {
  userId: principal.userId,
  familyId: newId(),
  instanceId: target.instanceId,
  slug: 'bench',
  email: 'a@example.com',
}
const cookie = createVisitCookie({ secret, secure: false }).issue(visit, new Date()).split(';', 1)[0]
console.log(`listening ${port} ${cookie}`)
