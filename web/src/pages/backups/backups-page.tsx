import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import type { Backup, Instance } from '../../api/types.ts'
import { useInstanceChange } from '../../app/instance-actions.ts'
import { isAsleep } from '../../app/instance-state.ts'
import { useMe } from '../../app/use-me.ts'
import { Card, EmptyState } from '../../ui/card.tsx'
import { ErrorNotice } from '../../ui/notice.tsx'
import { SkeletonRows } from '../../ui/skeleton.tsx'
import { AlarmNotices } from './alarm-notices.tsx'
import { BackUpButton } from './back-up-button.tsx'
import { BackupRow } from './backup-row.tsx'
import { DrillsCard } from './drills-card.tsx'
import { useLastRestore } from './last-restore.ts'
import { backupsQuery, isUnderWay } from './queries.ts'
import { RestoreDialog } from './restore-dialog.tsx'
import { RestoreProgress } from './restore-progress.tsx'

export function BackupsPage() {
  const { instance } = useMe()
  return instance && <Backups key={instance.id} instance={instance} />
}

function Backups({ instance }: { instance: Instance }) {
  const backups = useQuery(backupsQuery(instance.id))
  const [restoring, setRestoring] = useState<Backup>()
  const lastRestore = useLastRestore(instance.id)
  const change = useInstanceChange(instance.id)
  const { restoreId } = lastRestore
  return (
    <>
      <AlarmNotices instanceId={instance.id} />
      {restoreId && (
        <RestoreProgress restoreId={restoreId} backups={backups.data} onDismiss={lastRestore.dismiss} />
      )}
      <Card
        title="Backups"
        description="Encrypted with a key of your own. Files, conversations and settings are in each of them; secrets are not."
        flush
        actions={<BackUpButton instanceId={instance.id} underWay={backups.data?.some(isUnderWay) ?? false} />}
      >
        {backups.isPending && <SkeletonRows />}
        {backups.error && (
          <ErrorNotice error={backups.error} onRetry={() => void backups.refetch()} className="m-5" />
        )}
        {backups.data?.length === 0 && (
          <EmptyState title="No backups yet">
            One is taken every day by itself, and before anything that could go wrong. Choose Back up now for
            the first.
          </EmptyState>
        )}
        <ul className="divide-y divide-line">
          {backups.data?.map((backup) => (
            <BackupRow key={backup.id} backup={backup} onRestore={() => setRestoring(backup)} />
          ))}
        </ul>
      </Card>
      <DrillsCard instanceId={instance.id} backups={backups.data} />
      {restoring && (
        <RestoreDialog
          backup={restoring}
          onClose={() => setRestoring(undefined)}
          onBegun={(restore) => {
            setRestoring(undefined)
            lastRestore.begun(restore)
            // Only a machine that is awake can save what it has and take the backup in.
            if (isAsleep(instance)) change.mutate('start')
          }}
        />
      )}
    </>
  )
}
