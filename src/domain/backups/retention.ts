import type { BackupKind } from '../../db/tables/backups.ts'

/** One complete backup of an instance. */
export interface KeptBackup {
  id: string
  kind: BackupKind
  baseBackupId: string | null
  completedAt: Date
  local: boolean
  remote: boolean
  /** A drill could not restore it. */
  broken: boolean
}

export interface RetentionPolicy {
  localDays: number
  remoteDays: number
  /** Without a remote store what is local is all there is, so it stays as long as the remote copy would. */
  hasRemote: boolean
  /** Checkpoints replace each other: so many of the newest stay. */
  checkpoints: number
  /** False once the instance is deleted: then everything goes in its time, and nothing stays for ever. */
  keepLast: boolean
}

export interface RetentionDecision {
  dropLocal: string[]
  dropRemote: string[]
}

const dayMs = 86_400_000

/**
 * Which copies of one instance's backups may go now. Never the last good one, nor what it builds on, in no place where
 * it lies; never a local copy that the remote store is yet to get.
 */
export function decideRetention(
  backups: KeptBackup[],
  now: Date,
  policy: RetentionPolicy,
): RetentionDecision {
  const newestFirst = [...backups].sort((a, b) => b.completedAt.getTime() - a.completedAt.getTime())
  const protectedIds = policy.keepLast ? protect(newestFirst, policy) : new Set<string>()
  const recentCheckpoints = new Set(
    newestFirst
      .filter((backup) => backup.kind === 'checkpoint')
      .slice(0, policy.checkpoints)
      .map((backup) => backup.id),
  )
  const localDays = policy.hasRemote ? policy.localDays : policy.remoteDays
  const ageMs = (backup: KeptBackup) => now.getTime() - backup.completedAt.getTime()
  const superseded = (backup: KeptBackup) => backup.kind === 'checkpoint' && !recentCheckpoints.has(backup.id)
  const free = newestFirst.filter((backup) => !protectedIds.has(backup.id))
  return {
    dropLocal: free
      .filter((backup) => backup.local && (superseded(backup) || ageMs(backup) > localDays * dayMs))
      // A checkpoint that has been replaced is not worth copying any more.
      .filter((backup) => superseded(backup) || !policy.hasRemote || backup.remote)
      .map((backup) => backup.id),
    dropRemote: free
      .filter((backup) => backup.remote && (superseded(backup) || ageMs(backup) > policy.remoteDays * dayMs))
      .map((backup) => backup.id),
  }
}

/** The newest good one of each kind, and whatever a kept checkpoint adds to. */
function protect(newestFirst: KeptBackup[], policy: RetentionPolicy): Set<string> {
  const good = newestFirst.filter((backup) => !backup.broken)
  const kept = [
    good[0] ?? newestFirst[0],
    good.find((backup) => backup.kind === 'full'),
    ...newestFirst.filter((backup) => backup.kind === 'checkpoint').slice(0, policy.checkpoints),
  ]
  const ids = new Set<string>()
  for (const backup of kept) {
    if (!backup) continue
    ids.add(backup.id)
    if (backup.baseBackupId) ids.add(backup.baseBackupId)
  }
  return ids
}
