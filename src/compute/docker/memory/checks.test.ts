import { expect, test } from 'vitest'
import { memoryChecks } from './checks.ts'
import type { HostFacts } from './host-memory.ts'

const gibibyte = 1024 ** 3
const good: HostFacts = {
  memoryTotalBytes: 16 * gibibyte,
  memoryAvailableBytes: 8 * gibibyte,
  swapTotalBytes: 44 * gibibyte,
  swapFreeBytes: 40 * gibibyte,
  zramTotalBytes: 12 * gibibyte,
  diskTotalBytes: 100 * gibibyte,
  diskFreeBytes: 40 * gibibyte,
  cpus: 4,
  cgroupVersion: 2,
  reclaims: true,
  countsSwap: true,
  movesToDisk: true,
  zswap: false,
  knowsZram: true,
}
const look = (facts: Partial<HostFacts>) =>
  new Map(memoryChecks({ ...good, ...facts }).map((check) => [check.name, check]))

test('a host with compressed memory and a disk behind it has nothing to mend', () => {
  expect(memoryChecks(good).every((check) => check.ok)).toBe(true)
})

test('a host without swap is told the commands that add compressed memory and a swap file', () => {
  const check = look({ swapTotalBytes: 0, swapFreeBytes: 0, zramTotalBytes: 0 }).get('swap')
  expect(check?.ok).toBe(false)
  expect(check?.detail).toContain('zramctl --find --algorithm lz4 --size 12G')
  expect(check?.detail).toContain('fallocate -l 32G /swapfile')
})

test('a host whose kernel lacks zram is told how to load it', () => {
  const nothing = { swapTotalBytes: 0, swapFreeBytes: 0, zramTotalBytes: 0, knowsZram: false }
  expect(look(nothing).get('swap')?.detail).toContain('modprobe zram')
})

test('swap on disk alone is enough, and the quicker way is named', () => {
  const check = look({ zramTotalBytes: 0 }).get('swap')
  expect(check).toMatchObject({ ok: true })
  expect(check?.detail).toContain('zramctl')
})

test('swap that is nearly full is a problem before it is full', () => {
  expect(look({ swapFreeBytes: 2 * gibibyte }).get('swap')?.ok).toBe(false)
})

test('a kernel that cannot reclaim or count says what to do about it', () => {
  expect(look({ reclaims: false }).get('freezing')).toMatchObject({
    ok: false,
    detail: expect.stringContaining('5.19'),
  })
  expect(look({ countsSwap: false }).get('freezing')).toMatchObject({
    ok: false,
    detail: expect.stringContaining('swapaccount=1'),
  })
})

test('compressed memory with nothing behind it is told of, though it is no fault', () => {
  const check = look({ movesToDisk: false }).get('long sleep')
  expect(check).toMatchObject({ ok: true, detail: expect.stringContaining('backing_dev') })
})

test('a disk that is nearly full is told of before instances can no longer start', () => {
  expect(look({ diskFreeBytes: 10 * gibibyte }).get('disk space')?.ok).toBe(true)
  expect(look({ diskFreeBytes: 9.9 * gibibyte }).get('disk space')).toMatchObject({
    ok: false,
    detail: expect.stringContaining('9.9 of 100 GiB'),
  })
})
