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
  /** When a restore last asked for it that has not succeeded: one that waits, or a machine that began without it. */
  missedAt: Date | null
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
 * Which copies of one instance's backups may go now. Never the last good one, nor one that a restore could not get, nor
 * what they build on, in no place where they lie; never a local copy that the remote store is yet to get.
 */
export function decideRetention(
  backups: KeptBackup[],
  now: Date,
  policy: RetentionPolicy,
): RetentionDecision {
  const newestFirst = [...backups].sort((a, b) => b.completedAt.getTime() - a.completedAt.getTime())
  const protectedIds = withBases([
    ...(policy.keepLast ? lastGood(newestFirst, policy) : []),
    ...newestFirst.filter((backup) => isMissed(backup, now, policy)),
  ])
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

/** The newest good one of each kind. */
function lastGood(newestFirst: KeptBackup[], policy: RetentionPolicy): KeptBackup[] {
  const good = newestFirst.filter((backup) => !backup.broken)
  return [
    good[0] ?? newestFirst[0],
    good.find((backup) => backup.kind === 'full'),
    ...newestFirst.filter((backup) => backup.kind === 'checkpoint').slice(0, policy.checkpoints),
  ].filter((backup) => backup !== undefined)
}

/** What an instance that had to start without it has saved since does not replace it: somebody needs time to see that. */
function isMissed({ missedAt }: KeptBackup, now: Date, policy: RetentionPolicy): boolean {
  return missedAt !== null && now.getTime() - missedAt.getTime() <= policy.remoteDays * dayMs
}

/** With what the checkpoints among them add to. */
function withBases(backups: KeptBackup[]): Set<string> {
  return new Set(
    backups.flatMap(({ id, baseBackupId }) => (baseBackupId === null ? [id] : [id, baseBackupId])),
  )
}
