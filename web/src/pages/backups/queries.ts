import { queryOptions } from '@tanstack/react-query'
import { call } from '../../api/client.ts'
import type { Backup, BackupAlarm, BackupDrill, Restore, RestorePreview } from '../../api/types.ts'

const changingPollMs = 1_500
const settledPollMs = 30_000

export function isUnderWay({ state }: Pick<Backup, 'state'>): boolean {
  return state === 'requested' || state === 'running'
}

export function isRestoring({ state }: Pick<Restore, 'state'>): boolean {
  return state === 'securing' || state === 'ordered'
}

export const backupsQuery = (instanceId: string) =>
  queryOptions({
    queryKey: ['backups', instanceId],
    queryFn: async () =>
      (await call<{ backups: Backup[] }>('GET', `/api/instances/${instanceId}/backups`)).backups,
    refetchInterval: (query) => (query.state.data?.some(isUnderWay) ? changingPollMs : settledPollMs),
  })

export const drillsQuery = (instanceId: string) =>
  queryOptions({
    queryKey: ['backup-drills', instanceId],
    queryFn: async () =>
      (await call<{ drills: BackupDrill[] }>('GET', `/api/instances/${instanceId}/backup-drills`)).drills,
    refetchInterval: settledPollMs,
  })

export const restoresQuery = (instanceId: string) =>
  queryOptions({
    queryKey: ['restores', instanceId],
    queryFn: async () =>
      (await call<{ restores: Restore[] }>('GET', `/api/instances/${instanceId}/restores`)).restores,
    refetchInterval: settledPollMs,
  })

export const alarmsQuery = queryOptions({
  queryKey: ['backup-alarms'],
  queryFn: async () => (await call<{ alarms: BackupAlarm[] }>('GET', '/api/backup-alarms')).alarms,
  refetchInterval: settledPollMs,
})

/** What would change; asked anew for each dialog, since every message changes the answer. */
export const restorePreviewQuery = (backup: Backup) =>
  queryOptions({
    queryKey: ['restore-preview', backup.id],
    queryFn: () =>
      call<RestorePreview>('POST', '/api/restore', {
        body: { instanceId: backup.instanceId, backupId: backup.id, preview: true },
      }),
    gcTime: 0,
    staleTime: 0,
  })

export const restoreQuery = (restoreId: string) =>
  queryOptions({
    queryKey: ['restore', restoreId],
    queryFn: () => call<Restore>('GET', `/api/restores/${restoreId}`),
    refetchInterval: (query) => (query.state.data && isRestoring(query.state.data) ? changingPollMs : false),
  })
