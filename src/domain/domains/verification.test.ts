import { expect, test } from 'vitest'
import type { Resolver } from './resolver.ts'
import { type DomainFacts, decide, type Findings, lookUp } from './verification.ts'

const wanted = { hostname: 'claw.ada.dev', token: 'abc', instanceName: 'ada.reef.example' }

function resolver(
  records: Partial<Record<'txt' | 'cname' | 'addresses', Record<string, string[]>>>,
): Resolver {
  const answer = (kind: 'txt' | 'cname' | 'addresses') => async (name: string) => records[kind]?.[name] ?? []
  return { txt: answer('txt'), cname: answer('cname'), addresses: answer('addresses') }
}

test('the TXT record with the token is proof', async () => {
  const dns = resolver({ txt: { '_reef.claw.ada.dev': ['other', 'reef-verify=abc'] } })
  expect(await lookUp(dns, wanted)).toEqual({ kind: 'proven', proof: 'txt', pointsHere: false })
})

test('a CNAME to the instance’s own name is proof, and to any other name is none', async () => {
  const own = resolver({ cname: { 'claw.ada.dev': ['ada.reef.example'] } })
  expect(await lookUp(own, wanted)).toEqual({ kind: 'proven', proof: 'cname', pointsHere: true })
  for (const target of ['bob.reef.example', 'reef.example', 'ada.reef.example.evil.test'])
    expect(await lookUp(resolver({ cname: { 'claw.ada.dev': [target] } }), wanted)).toMatchObject({
      kind: 'unproven',
    })
})

test('an address that all instances share is no proof', async () => {
  const dns = resolver({
    addresses: { 'claw.ada.dev': ['192.0.2.1'], 'ada.reef.example': ['192.0.2.1', '2001:db8::1'] },
  })
  expect(await lookUp(dns, wanted)).toEqual({ kind: 'unproven', found: [], pointsHere: true })
})

test('another token, another name and a token within a longer text are no proof', async () => {
  const records: Record<string, string[]>[] = [
    { '_reef.claw.ada.dev': ['reef-verify=abd'] },
    { '_reef.ada.dev': ['reef-verify=abc'] },
    { 'claw.ada.dev': ['reef-verify=abc'] },
    { '_reef.claw.ada.dev': ['xreef-verify=abc', 'reef-verify=abcd'] },
  ]
  for (const txt of records)
    expect(await lookUp(resolver({ txt }), wanted)).toMatchObject({ kind: 'unproven' })
})

test('a server that does not answer proves nothing either way', async () => {
  const failing: Resolver = {
    ...resolver({}),
    txt: async () => {
      throw Object.assign(new Error('no'), { code: 'ESERVFAIL' })
    },
  }
  expect(await lookUp(failing, wanted)).toEqual({ kind: 'unknown', reason: 'ESERVFAIL' })
})

const now = new Date('2026-03-01T12:00:00Z')
const daysAgo = (days: number): Date => new Date(now.getTime() - days * 86_400_000)
const facts = (change: Partial<DomainFacts>): DomainFacts => ({
  state: 'pending',
  createdAt: now,
  unprovenSince: null,
  contested: false,
  ...change,
})
const proven: Findings = { kind: 'proven', proof: 'txt', pointsHere: true }
const unproven: Findings = { kind: 'unproven', found: [], pointsHere: false }
const unknown: Findings = { kind: 'unknown', reason: 'ETIMEOUT' }

test('proof verifies from any state', () => {
  for (const state of ['pending', 'verified', 'failed'] as const)
    expect(decide(facts({ state }), proven, now)).toMatchObject({ state: 'verified', problem: null })
})

test('a record that is awaited is looked for often at first, ever more rarely, and not for ever', () => {
  const wait = (days: number): number | undefined => {
    const { nextCheckAt } = decide(facts({ createdAt: daysAgo(days) }), unproven, now)
    return nextCheckAt ? (nextCheckAt.getTime() - now.getTime()) / 1000 : undefined
  }
  expect(wait(0)).toBe(30)
  expect(wait(1 / 24)).toBe(900)
  expect(wait(3)).toBe(3600)
  expect(wait(8)).toBeUndefined()
  expect(decide(facts({ createdAt: daysAgo(8) }), unproven, now).state).toBe('failed')
})

test('a verified domain outlives a slip of three days, and no longer', () => {
  const first = decide(facts({ state: 'verified' }), unproven, now)
  expect(first).toMatchObject({ state: 'verified', unprovenSince: now })
  const at = (days: number) =>
    decide(facts({ state: 'verified', unprovenSince: daysAgo(days) }), unproven, now).state
  expect([at(2.9), at(3.1)]).toEqual(['verified', 'failed'])
})

test('one that somebody else has proven meanwhile is given up at once', () => {
  expect(decide(facts({ state: 'verified', contested: true }), unproven, now).state).toBe('failed')
  expect(decide(facts({ state: 'verified', contested: true }), proven, now).state).toBe('verified')
})

test('silence of the DNS changes no state, however long it lasts', () => {
  for (const state of ['pending', 'verified', 'failed'] as const)
    expect(
      decide(
        facts({ state, createdAt: daysAgo(30), unprovenSince: daysAgo(30), contested: true }),
        unknown,
        now,
      ),
    ).toMatchObject({ state, problem: expect.stringContaining('ETIMEOUT') })
})
