import { expect, test } from 'vitest'
import { createUnreadBodies, type UnreadBodies } from './unread-bodies.ts'

const mebibyte = 1024 * 1024

/** As many of them as it may, and how many that were. */
function take(bodies: UnreadBodies, slotId: string, bytes: number) {
  const releases: (() => void)[] = []
  try {
    for (;;) releases.push(bodies.admit(slotId, bytes))
  } catch (error) {
    return { count: releases.length, releases, error }
  }
}

test('a slot has few bodies on their way at a time, however small, and room again once they are there', () => {
  const bodies = createUnreadBodies()
  const first = take(bodies, 'one', 10)
  expect(first.count).toBe(16)
  expect(first.error).toMatchObject({ kind: 'rateLimited', retryAfterSeconds: 1 })
  expect(take(bodies, 'two', 10).count).toBe(16)
  for (const release of first.releases) {
    release()
    // What ends twice, read and then closed, counts once.
    release()
  }
  expect(take(bodies, 'one', 10).count).toBe(16)
})

test('one slot takes no more than a part of what there is', () => {
  const bodies = createUnreadBodies()
  expect(take(bodies, 'one', 32 * mebibyte).count).toBe(3)
  expect(take(bodies, 'two', 32 * mebibyte).count).toBeGreaterThanOrEqual(2)
})

test('however many take all they can get, what is held stays within bounds and a small one comes through', () => {
  const bodies = createUnreadBodies()
  let heldBytes = 0
  for (let slot = 0; slot < 200; slot++)
    for (const bytes of [32 * mebibyte, mebibyte, 1024])
      heldBytes += take(bodies, `greedy ${slot}`, bytes).count * bytes
  expect(heldBytes).toBeLessThan(512 * mebibyte)
  expect(take(bodies, 'modest', 1024).count).toBeGreaterThan(0)
  expect(take(bodies, 'large', 32 * mebibyte)).toMatchObject({ count: 0, error: { kind: 'unavailable' } })
})
