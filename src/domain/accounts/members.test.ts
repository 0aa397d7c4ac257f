import { describe, expect, it } from 'vitest'
import type { MemberRole } from '../../db/schema.ts'
import { type MembershipChange, refuseMembershipChange } from './members.ts'

const roles: MemberRole[] = ['member', 'admin', 'owner']
const rank = (role: MemberRole): number => roles.indexOf(role)

describe('change of a membership', () => {
  const change = (
    actor: MemberRole,
    target: MemberRole,
    to: MemberRole | null,
    more: Partial<MembershipChange> & { self?: boolean } = {},
  ): string => {
    const { self, ...rest } = more
    const refusal = refuseMembershipChange({
      actor: { userId: 'actor', role: actor },
      target: { userId: self ? 'actor' : 'target', role: target },
      to,
      ownerCount: 2,
      personalOfTarget: false,
      ...rest,
    })
    return refusal?.code ?? 'allowed'
  }

  it('never touches a role above the caller’s and never hands one out', () => {
    for (const actor of roles)
      for (const target of roles)
        for (const to of [...roles, null]) {
          const beyond = rank(target) > rank(actor) || (to !== null && rank(to) > rank(actor))
          const expected = actor === 'member' || beyond ? 'not_found' : 'allowed'
          expect([actor, target, to, change(actor, target, to)]).toEqual([actor, target, to, expected])
        }
  })

  it('lets anyone leave but the last owner', () => {
    expect(change('member', 'member', null, { self: true })).toBe('allowed')
    expect(change('owner', 'owner', null, { self: true })).toBe('allowed')
    expect(change('owner', 'owner', null, { self: true, ownerCount: 1 })).toBe('last_owner')
    expect(change('owner', 'owner', 'admin', { self: true, ownerCount: 1 })).toBe('last_owner')
    expect(change('owner', 'owner', 'owner', { self: true, ownerCount: 1 })).toBe('allowed')
  })

  it('keeps people owners of their personal organization', () => {
    expect(change('owner', 'owner', null, { personalOfTarget: true })).toBe('personal_organization')
    expect(change('owner', 'owner', 'member', { personalOfTarget: true })).toBe('personal_organization')
  })
})
