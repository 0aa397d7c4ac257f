import { describe, expect, it } from 'vitest'
import { lifecycleLimits as limits } from './limits.ts'
import { beginUpgrade, isOutdated, judgeUpgrade, type UpgradeFacts } from './upgrade.ts'

const start = new Date('2026-03-01T12:00:00Z')
const later = (seconds: number) => new Date(start.getTime() + seconds * 1000)
const settled: UpgradeFacts = {
  spec_version: 'old',
  made_of: 'old',
  upgrade_from: null,
  upgrade_until: null,
  phase: 'running',
  ready: true,
  attempts: 0,
  failure_code: null,
  failure_message: null,
}
const begun: UpgradeFacts = { ...settled, ...beginUpgrade(settled, 'new', start, limits) }
const booting: UpgradeFacts = { ...begun, made_of: 'new', phase: 'running', ready: false }

describe('an upgrade', () => {
  it('makes the machine anew, and the old one that still serves proves nothing', () => {
    expect([isOutdated(settled), isOutdated(begun), isOutdated(booting)]).toEqual([false, true, false])
    expect(judgeUpgrade(begun, later(1), limits)).toBeUndefined()
  })

  it('is over once the new machine serves', () => {
    expect(judgeUpgrade({ ...booting, ready: true }, later(30), limits)).toEqual({
      upgrade_from: null,
      upgrade_until: null,
    })
  })

  it('has until patience ends, and not a moment longer', () => {
    expect(judgeUpgrade(booting, later(limits.upgradePatienceSeconds - 1), limits)).toBeUndefined()
    expect(judgeUpgrade(booting, later(limits.upgradePatienceSeconds), limits)).toMatchObject({
      spec_version: 'old',
      upgrade_from: null,
      refused_spec: 'new',
      refused_reason: 'OpenClaw did not become ready within 3 minutes.',
    })
  })

  it('says how long it waited where the operator is less patient', () => {
    const patience = { upgradePatienceSeconds: 45 }
    const hasty = { ...booting, ...beginUpgrade(settled, 'new', start, patience), made_of: 'new' }
    expect(judgeUpgrade(hasty, later(44), patience)).toBeUndefined()
    expect(judgeUpgrade(hasty, later(45), patience)?.refused_reason).toBe(
      'OpenClaw did not become ready within 45 seconds.',
    )
  })

  it.each([
    { ...booting, phase: 'exited', attempts: 2, failure_message: 'exit code 1' } as const,
    { ...booting, failure_code: 'bad_image', failure_message: 'exit code 1' } as const,
  ])('is rolled back at once when the new machine fails, saying why', (facts) => {
    expect(judgeUpgrade(facts, later(5), limits)).toMatchObject({
      spec_version: 'old',
      refused_spec: 'new',
      refused_reason: 'exit code 1',
      failure_code: null,
      attempts: 0,
    })
  })

  it('outlives one crash', () => {
    expect(judgeUpgrade({ ...booting, phase: 'exited', attempts: 1 }, later(5), limits)).toBeUndefined()
  })

  it('leaves a slot alone that is in none', () => {
    expect(judgeUpgrade({ ...settled, failure_code: 'crashed' }, later(1e6), limits)).toBeUndefined()
  })
})
