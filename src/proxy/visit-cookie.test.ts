import { expect, it } from 'vitest'
import { testSecret } from '../../test/support/secret.ts'
import { createVisitCookie, type NewVisit, type Visit } from './visit-cookie.ts'

const now = new Date('2026-01-01T00:00:00Z')
const begun: NewVisit = {
  userId: 'u',
  familyId: 'f',
  instanceId: 'i',
  slug: 'ada',
  email: 'ada@example.com',
}
const visit: Visit = { ...begun, expiresAt: now.getTime() + 12 * 3_600_000 }
const cookie = createVisitCookie({ secret: testSecret, secure: false })
const issued = cookie.issue(begun, now)
const pair = issued.split(';', 1)[0] as string

it('is out of reach of scripts, other sites and other hosts, and Secure where there is TLS', () => {
  expect(issued).toMatch(/^reef_visit=[^;]+; Path=\/; Max-Age=43200; HttpOnly; SameSite=Lax$/)
  const secure = createVisitCookie({ secret: testSecret, secure: true }).issue(begun, now)
  expect(secure).toMatch(/^__Host-reef_visit=[^;]+; Path=\/; Max-Age=43200; HttpOnly; SameSite=Lax; Secure$/)
})

it('proves a visit for its own name until twelve hours have passed', () => {
  expect(cookie.read(pair, 'ada', now)).toEqual(visit)
  expect(cookie.read(`a=b; ${pair}; c=d`, 'ada', now)).toEqual(visit)
  expect(cookie.read(pair, 'bob', now)).toBeUndefined()
  expect(cookie.read(pair, 'ada', new Date(now.getTime() + 12 * 3_600_000 - 1))).toEqual(visit)
  expect(cookie.read(pair, 'ada', new Date(now.getTime() + 12 * 3_600_000))).toBeUndefined()
})

it('proves nothing when any character of it was changed, nor when it is signed by somebody else', () => {
  const [name, value = ''] = pair.split('=')
  for (let index = 0; index < value.length; index++) {
    const changed = `${value.slice(0, index)}${value[index] === 'A' ? 'B' : 'A'}${value.slice(index + 1)}`
    // The last character of base64url holds two bits that mean nothing.
    if (index === value.length - 1) continue
    expect(cookie.read(`${name}=${changed}`, 'ada', now)).toBeUndefined()
  }
  for (const odd of ['', '.', 'a.b', value.split('.')[0], `${value}.x.y`.slice(1)])
    expect(cookie.read(`${name}=${odd}`, 'ada', now)).toBeUndefined()
})

it('is found behind a false one that a neighbouring name planted', () => {
  expect(cookie.read(`reef_visit=planted; ${pair}`, 'ada', now)).toEqual(visit)
})

it('is taken out of what goes on to the instance, every copy of it', () => {
  expect(cookie.strip(`a=1; ${pair}; b=2;${pair}`)).toBe('a=1; b=2')
  expect(cookie.strip(pair)).toBeUndefined()
  expect(cookie.strip(undefined)).toBeUndefined()
})
