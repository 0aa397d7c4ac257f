import type { Backup, BackupAlarm } from '../../api/types.ts'

export const reasonText: Record<Backup['reason'], string> = {
  scheduled: 'Daily',
  on_demand: 'On demand',
  before_upgrade: 'Before an upgrade',
  before_restore: 'Before a restore',
  before_archive: 'Before it was archived',
  checkpoint: 'Checkpoint',
}

const remedies: Record<string, string> = {
  remote_unavailable:
    'Until the store answers, backups stay on this machine; they are copied by themselves. If this lasts, tell the operator of this Reef.',
  backup_failed: 'Choose Back up now to try again. If that fails too, tell the operator of this Reef.',
  restore_failed: 'Nothing is lost: restore another backup, or the one that was taken right before.',
  content_missing: 'Nothing is lost by waiting. Tell the operator of this Reef.',
  drill_failed: 'Choose Back up now; the next drill tries the new backup.',
}

/** What a person can do about it; what is wrong says the alarm itself. */
export function remedyOf({ kind }: Pick<BackupAlarm, 'kind'>): string {
  return remedies[kind] ?? 'If this lasts, tell the operator of this Reef.'
}

export function locationText(locations: Backup['locations']): string {
  const [first, second] = locations.map((one) => (one === 'local' ? 'this machine' : 'the remote store'))
  if (!first) return 'Nowhere yet'
  return second ? `On ${first} and in ${second}` : locations[0] === 'local' ? `On ${first}` : `In ${first}`
}

export function countText(count: number, one: string, many: string): string {
  return `${count.toLocaleString('en')} ${count === 1 ? one : many}`
}
