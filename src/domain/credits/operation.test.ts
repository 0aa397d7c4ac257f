import { describe, expect, it } from 'vitest'
import { type Operation, requestHash } from './operation.ts'

const common = { organizationId: 'o', key: 'k', reference: 'r', note: 'n', actorUserId: 'u' }
const reserve: Operation = {
  ...common,
  kind: 'reserve',
  reservationId: 'i',
  purpose: 'runtime',
  amount: 5,
  atLeast: 3,
  expiresAt: new Date(0),
}
const settle: Operation = { ...common, kind: 'settle', reservationId: 'i', amount: 5, close: true }
const forfeit: Operation = { ...common, kind: 'forfeit', amount: 5, frozen: 3 }
const grant: Operation = { ...common, kind: 'grant', amount: 5 }
const isSame = (one: Operation, other: Operation): boolean => requestHash(one).equals(requestHash(other))

describe('a request that is repeated', () => {
  it('is the same when all of it is, but for its key and until when it holds', () => {
    for (const one of [reserve, settle, forfeit, grant]) {
      expect(isSame(one, { ...one })).toBe(true)
      expect(isSame(one, { ...one, key: 'another' })).toBe(true)
    }
    expect(isSame(reserve, { ...reserve, expiresAt: new Date(1) })).toBe(true)
    expect(requestHash(grant)).toHaveLength(32)
  })

  it.each([
    [grant, { organizationId: 'p' }],
    [grant, { kind: 'purchase' }],
    [grant, { amount: 6 }],
    [grant, { reference: 's' }],
    [grant, { note: 'm' }],
    [grant, { actorUserId: 'v' }],
    [grant, { reference: undefined }],
    [grant, { note: undefined }],
    [grant, { actorUserId: undefined }],
    [reserve, { reservationId: 'j' }],
    [reserve, { purpose: 'model_call' }],
    [reserve, { atLeast: 4 }],
    [settle, { reservationId: 'j' }],
    [settle, { close: false }],
    [forfeit, { frozen: 4 }],
  ])('is another one: %j with %j', (one, change) => {
    expect(isSame(one, { ...one, ...change } as Operation)).toBe(false)
  })

  it('takes no word from one field to the next', () => {
    expect(isSame({ ...grant, reference: 'ab', note: 'c' }, { ...grant, reference: 'a', note: 'bc' })).toBe(
      false,
    )
    expect(
      isSame(
        { ...grant, reference: 'x', note: undefined } as Operation,
        { ...grant, reference: undefined, note: 'x' } as Operation,
      ),
    ).toBe(false)
  })
})
