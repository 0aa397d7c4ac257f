import { describe, expect, it } from 'vitest'
import type { HostReport } from './compute.ts'
import { hasRoom, type MemoryNeeds, type Newcomer } from './room.ts'

const gibibyte = 1024 ** 3
const needs: MemoryNeeds = {
  bootBytes: gibibyte,
  workingSetBytes: 0.5 * gibibyte,
  reserveBytesMin: gibibyte,
  reserveShare: 0,
  diskReserveBytesMin: gibibyte,
  diskReserveShare: 0.05,
}
const host = (availableGibibytes: number, more: Partial<HostReport> = {}): HostReport => ({
  name: 'one',
  state: 'active',
  memoryTotalBytes: 16 * gibibyte,
  memoryAvailableBytes: availableGibibytes * gibibyte,
  swapTotalBytes: 32 * gibibyte,
  swapFreeBytes: 16 * gibibyte,
  zramTotalBytes: 0,
  diskTotalBytes: 100 * gibibyte,
  diskFreeBytes: 50 * gibibyte,
  cpus: 4,
  slots: [],
  ...more,
})
const slot = (slotId: string, residentGibibytes: number) => ({
  slotId,
  residentBytes: residentGibibytes * gibibyte,
  swappedBytes: 0,
  paused: true,
})
const boot = (slotId: string): Newcomer => ({ slotId, kind: 'boot', frozen: null })
const frozen = (slotId: string): Newcomer => ({ slotId, kind: 'resume', frozen: 'memory' })

describe('room on a host', () => {
  it('is what is free without the reserve', () => {
    expect(hasRoom([host(2)], boot('a'), [], needs)).toBe(true)
    expect(hasRoom([host(1.9)], boot('a'), [], needs)).toBe(false)
  })

  it('ends before the disk of the host does, for those that would boot there and not for those that only wake', () => {
    const withDisk = (freeGibibytes: number, totalGibibytes = 100) =>
      host(8, { diskTotalBytes: totalGibibytes * gibibyte, diskFreeBytes: freeGibibytes * gibibyte })
    expect(hasRoom([withDisk(5)], boot('a'), [], needs)).toBe(true)
    expect(hasRoom([withDisk(4.9)], boot('a'), [], needs)).toBe(false)
    expect(hasRoom([withDisk(4.9), { ...withDisk(50), name: 'two' }], boot('a'), [], needs)).toBe(true)
    expect(hasRoom([withDisk(0.9, 10)], boot('a'), [], needs)).toBe(false)
    expect(hasRoom([withDisk(0)], frozen('a'), [], needs)).toBe(true)
    expect(hasRoom([host(8, { diskTotalBytes: 0, diskFreeBytes: 0 })], boot('a'), [], needs)).toBe(true)
  })

  it('does not count those who sleep with what they may use', () => {
    const sleepers = Array.from({ length: 300 }, (_, index) => slot(`s${index}`, 0.04))
    expect(hasRoom([host(2, { slots: sleepers })], boot('new'), [], needs)).toBe(true)
  })

  it('is less for one that has to come back from swap than for a boot, and none is needed to go on', () => {
    const slots = [slot('a', 0)]
    expect(hasRoom([host(1.5, { slots })], frozen('a'), [], needs)).toBe(true)
    expect(hasRoom([host(1.4, { slots })], frozen('a'), [], needs)).toBe(false)
    expect(hasRoom([host(0, { slots })], { ...frozen('a'), frozen: null }, [], needs)).toBe(true)
  })

  it('is promised to those who were just let on, until they have taken it', () => {
    expect(hasRoom([host(3)], boot('a'), [boot('b')], needs)).toBe(true)
    expect(hasRoom([host(3)], boot('a'), [boot('b'), boot('c')], needs)).toBe(false)
    const grown = { slots: [slot('b', 1), slot('c', 1)] }
    expect(hasRoom([host(3, grown)], boot('a'), [boot('b'), boot('c')], needs)).toBe(true)
    expect(hasRoom([host(2)], boot('a'), [boot('a')], needs)).toBe(true)
  })

  it('of another host does not help who sleeps on this one, and does help who is new', () => {
    const hosts = [host(0, { slots: [slot('a', 0)] }), host(8, { name: 'two' })]
    expect(hasRoom(hosts, frozen('a'), [], needs)).toBe(false)
    expect(hasRoom(hosts, boot('new'), [], needs)).toBe(true)
  })

  it('is not looked for on a host that takes none, and what cannot be asked refuses nobody', () => {
    expect(hasRoom([host(8, { state: 'draining' }), host(0, { name: 'two' })], boot('a'), [], needs)).toBe(
      false,
    )
    expect(hasRoom([host(0, { state: 'unreachable', slots: [slot('a', 0)] })], frozen('a'), [], needs)).toBe(
      true,
    )
    expect(hasRoom([], boot('a'), [], needs)).toBe(true)
  })
})
