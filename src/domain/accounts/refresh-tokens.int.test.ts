import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createTestAccounts, type TestAccounts, testPassword } from '../../../test/support/accounts.ts'
import { untilBlocked } from '../../../test/support/blocked.ts'
import { type Rotation, rotateRefreshToken } from './refresh-tokens.ts'

describe('refresh tokens', () => {
  let test: TestAccounts
  beforeAll(async () => {
    test = await createTestAccounts()
  })
  afterAll(() => test.close())

  it('take a second use for a reuse even while the first has not been committed', async () => {
    const { refreshToken } = await test.person()
    const rotate = (then?: () => Promise<void>): Promise<Rotation> =>
      test.database.asSystem(async (trx) => {
        const rotation = await rotateRefreshToken(trx, refreshToken, test.clock.now())
        await then?.()
        return rotation
      })
    let second: Promise<Rotation> | undefined
    const first = await rotate(async () => {
      second = rotate()
      await untilBlocked(test.database)
    })
    expect(first.outcome).toBe('rotated')
    expect((await second)?.outcome).toBe('reused')
  })

  it('are traded again by the very attempt whose answer was lost, for a minute, until the next one is used', async () => {
    const rotate = (refreshToken: string, attempt?: string): Promise<Rotation> =>
      test.database.asSystem((trx) => rotateRefreshToken(trx, refreshToken, test.clock.now(), attempt))
    const nextOf = (rotation: Rotation) => (rotation.outcome === 'rotated' ? rotation.refreshToken : '')
    const attempt = 'an attempt of the page'

    const first = await test.person()
    const next = nextOf(await rotate(first.refreshToken, attempt))
    expect(nextOf(await rotate(first.refreshToken, attempt))).toBe(next)
    expect(nextOf(await rotate(next))).not.toBe('')
    expect((await rotate(first.refreshToken, attempt)).outcome).toBe('reused')

    for (const other of ['an attempt of somebody else', undefined]) {
      const { refreshToken } = await test.person()
      const given = nextOf(await rotate(refreshToken, attempt))
      expect((await rotate(refreshToken, other)).outcome).toBe('reused')
      expect((await rotate(given)).outcome).toBe('revoked')
    }

    const late = await test.person()
    await rotate(late.refreshToken, attempt)
    test.clock.advance(61_000)
    expect((await rotate(late.refreshToken, attempt)).outcome).toBe('reused')

    const without = await test.person()
    await rotate(without.refreshToken)
    expect((await rotate(without.refreshToken, attempt)).outcome).toBe('reused')
  })

  it('leave nothing behind of log-ins whose time is over', async () => {
    const { user, refreshToken } = await test.person()
    const count = () =>
      test.database.asSystem(async (trx) => ({
        families: (
          await trx.selectFrom('token_families').where('user_id', '=', user.id).select('id').execute()
        ).length,
        tokens: (await trx.selectFrom('refresh_tokens').where('user_id', '=', user.id).select('id').execute())
          .length,
      }))
    const rotated = await test.accounts.refresh(refreshToken)
    expect(await count()).toEqual({ families: 1, tokens: 2 })
    test.clock.advance(20 * 86_400_000)
    const { refreshToken: later } = await test.accounts.refresh(rotated.refreshToken)
    expect(await count()).toEqual({ families: 1, tokens: 3 })
    test.clock.advance(20 * 86_400_000)
    await test.accounts.refresh(later)
    expect(await count()).toEqual({ families: 1, tokens: 2 })
    test.clock.advance(40 * 86_400_000)
    await test.accounts.logIn({ email: user.email, password: testPassword })
    expect(await count()).toEqual({ families: 1, tokens: 1 })
  })
})
