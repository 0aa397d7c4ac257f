import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { BackupOrder, Backups } from './backups.ts'
import { createCheckpoints } from './checkpoints.ts'

let asked: number[]
let fails: boolean
let release: (() => void) | undefined
beforeEach(() => {
  vi.useFakeTimers({ now: 0 })
  asked = []
  fails = false
  release = undefined
})
afterEach(() => vi.useRealTimers())

function checkpoints(blocking = false) {
  const backups: Pick<Backups, 'takeNext'> = {
    takeNext: async (ask) => {
      await ask(null)
      if (blocking)
        await new Promise<void>((done) => {
          release = done
        })
    },
  }
  return createCheckpoints({
    backups: backups as Backups,
    control: {
      call: async () => {
        asked.push(Date.now())
        if (fails) throw new Error('away')
        return { order: null as BackupOrder | null }
      },
      deliver: () => Promise.reject(new Error('unused')),
      fetch: () => Promise.reject(new Error('unused')),
    },
    log: () => undefined,
  })
}

test('turns in quick succession make one checkpoint, two seconds after the last', async () => {
  const { turnEnded } = checkpoints()
  for (let turn = 0; turn < 3; turn++) {
    turnEnded()
    await vi.advanceTimersByTimeAsync(1_000)
  }
  await vi.advanceTimersByTimeAsync(60_000)
  expect(asked).toEqual([4_000])
})

test('turns without a pause are saved at least every ten seconds', async () => {
  const { turnEnded } = checkpoints()
  for (let turn = 0; turn < 25; turn++) {
    turnEnded()
    await vi.advanceTimersByTimeAsync(1_000)
  }
  await vi.advanceTimersByTimeAsync(60_000)
  expect(asked[0]).toBe(10_000)
  for (const [index, at] of asked.entries()) expect(at - (asked[index - 1] ?? 0)).toBeLessThanOrEqual(11_000)
})

test('a turn that ends while one is being taken brings another', async () => {
  const { turnEnded } = checkpoints(true)
  turnEnded()
  await vi.advanceTimersByTimeAsync(2_000)
  turnEnded()
  await vi.advanceTimersByTimeAsync(20_000)
  expect(asked).toHaveLength(1)
  release?.()
  await vi.advanceTimersByTimeAsync(2_000)
  expect(asked).toHaveLength(2)
})

test('one that fails is tried again, without any further turn', async () => {
  fails = true
  const { turnEnded } = checkpoints()
  turnEnded()
  await vi.advanceTimersByTimeAsync(2_000)
  fails = false
  await vi.advanceTimersByTimeAsync(30_000)
  expect(asked).toEqual([2_000, 32_000])
})

test('the end of a slot saves what is not saved yet, and waits no longer than it may', async () => {
  const quick = checkpoints()
  quick.turnEnded()
  await quick.saveLast(1_000, { onlyTurns: false })
  expect(asked).toEqual([0])
  const stuck = checkpoints(true)
  stuck.turnEnded()
  const saved = stuck.saveLast(1_000, { onlyTurns: false })
  await vi.advanceTimersByTimeAsync(1_000)
  await saved
})

test('the end of a slot saves what has changed without a turn, after what is being saved', async () => {
  const untouched = checkpoints()
  await untouched.saveLast(1_000, { onlyTurns: false })
  expect(asked).toEqual([0])
  const busy = checkpoints(true)
  busy.turnEnded()
  await vi.advanceTimersByTimeAsync(2_000)
  const saved = busy.saveLast(1_000, { onlyTurns: false })
  release?.()
  await vi.advanceTimersByTimeAsync(0)
  release?.()
  await saved
  expect(asked).toEqual([0, 2_000, 2_000])
})

test('a slot that ends because the control plane is out of reach waits for it only with what a turn has changed', async () => {
  const { turnEnded, saveLast } = checkpoints()
  await saveLast(1_000, { onlyTurns: true })
  expect(asked).toEqual([])
  turnEnded()
  await saveLast(1_000, { onlyTurns: true })
  expect(asked).toEqual([0])
})
