import type { FreezeTier } from '../../db/tables/idle.ts'
import type { HostReport } from './compute.ts'

const mebibyte = 1024 ** 2

/** What an instance takes of its host; measured with OpenClaw 2026.9.6, see docs/explanation/idle-ladder.md. */
export interface MemoryNeeds {
  /** Of one that has just booted. */
  bootBytes: number
  /** Of one that was frozen and works again: what it really touches. */
  workingSetBytes: number
  /** Never given away: for the host itself and for those that are awake to grow into. */
  reserveBytesMin: number
  reserveShare: number
  /** Free disk below which a host boots nothing more: what runs there already needs it. */
  diskReserveBytesMin: number
  diskReserveShare: number
}

export const memoryNeeds: MemoryNeeds = {
  bootBytes: 900 * mebibyte,
  workingSetBytes: 450 * mebibyte,
  reserveBytesMin: 512 * mebibyte,
  reserveShare: 0.05,
  diskReserveBytesMin: 2048 * mebibyte,
  diskReserveShare: 0.05,
}

export interface Newcomer {
  slotId: string
  kind: 'boot' | 'resume'
  frozen: FreezeTier | null
}

/**
 * Whether there is room for one more awake: on the host that has its machine, else on any that takes new ones. Counts
 * what is really resident, so that those who sleep frozen take next to nothing; and what those will still take who were
 * let on a moment ago. Pure.
 */
export function hasRoom(
  hosts: readonly HostReport[],
  newcomer: Newcomer,
  justAdmitted: readonly Newcomer[],
  needs: MemoryNeeds = memoryNeeds,
): boolean {
  const own = hosts.find((host) => host.slots.some((slot) => slot.slotId === newcomer.slotId))
  // Of a host that cannot be asked nothing is known; its driver finds out.
  if (own) return own.state === 'unreachable' || fitsOn(own, newcomer, justAdmitted, needs)
  const candidates = hosts.filter((host) => host.state === 'active')
  if (candidates.length === 0) return true
  return candidates.some((host) => fitsOn(host, newcomer, justAdmitted, needs))
}

function fitsOn(
  host: HostReport,
  newcomer: Newcomer,
  justAdmitted: readonly Newcomer[],
  needs: MemoryNeeds,
): boolean {
  if (newcomer.kind === 'boot' && isDiskShort(host, needs)) return false
  const growthBytes = growthOf(host, newcomer, needs)
  if (growthBytes === 0) return true
  const reserveBytes = Math.max(needs.reserveBytesMin, host.memoryTotalBytes * needs.reserveShare)
  let promisedBytes = 0
  for (const other of justAdmitted)
    if (other.slotId !== newcomer.slotId) promisedBytes += growthOf(host, other, needs)
  return growthBytes <= host.memoryAvailableBytes - reserveBytes - promisedBytes
}

/** One that only wakes writes no more than it did; a boot on a disk that is full fails, and takes the others along. */
function isDiskShort(host: HostReport, needs: MemoryNeeds): boolean {
  if (host.diskTotalBytes === 0) return false
  const reserveBytes = Math.max(needs.diskReserveBytesMin, host.diskTotalBytes * needs.diskReserveShare)
  return host.diskFreeBytes < reserveBytes
}

function growthOf(host: HostReport, newcomer: Newcomer, needs: MemoryNeeds): number {
  const residentBytes = host.slots.find((slot) => slot.slotId === newcomer.slotId)?.residentBytes ?? 0
  if (newcomer.kind === 'boot') return Math.max(0, needs.bootBytes - residentBytes)
  // What only stood still has all of its memory already.
  return newcomer.frozen === null ? 0 : Math.max(0, needs.workingSetBytes - residentBytes)
}
