import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useEffect } from 'react'
import type { Backup, Restore } from '../../api/types.ts'
import { Button } from '../../ui/button.tsx'
import { Card } from '../../ui/card.tsx'
import { ErrorNotice, Notice } from '../../ui/notice.tsx'
import { type Step, StepList } from '../../ui/step-list.tsx'
import { absoluteTime, useNow } from '../../ui/time.tsx'
import { isRestoring, restoreQuery } from './queries.ts'

interface RestoreProgressProps {
  restoreId: string
  backups: Backup[] | undefined
  onDismiss: () => void
}

/** A restore from its order to what became of it. */
export function RestoreProgress({ restoreId, backups, onDismiss }: RestoreProgressProps) {
  const client = useQueryClient()
  const restore = useQuery(restoreQuery(restoreId))
  const state = restore.data?.state
  // The backup that was taken first belongs into the list; after it, everything that was shown of the instance is old.
  useEffect(() => {
    void client.invalidateQueries({ queryKey: ['backups'] })
    if (state !== 'succeeded') return
    client.removeQueries({ queryKey: ['messages'] })
    void client.invalidateQueries({ queryKey: ['conversations'] })
  }, [client, state])

  const dismiss = (
    <Button size="small" onClick={onDismiss} className="-my-0.5">
      Dismiss
    </Button>
  )
  if (restore.error && !restore.data)
    return (
      <Notice tone="bad" action={dismiss}>
        What became of the restore cannot be told at the moment. The list below shows what there is.
      </Notice>
    )
  if (!restore.data) return null
  const backup = backups?.find(({ id }) => id === restore.data.backupId)
  const of = backup?.completedAt ? `the backup of ${absoluteTime(backup.completedAt)}` : 'the backup'
  if (isRestoring(restore.data))
    return (
      <Card
        title="Restore under way"
        description={`From ${of}. You can leave this page; it goes on by itself.`}
      >
        <Steps restore={restore.data} />
        {restore.error && <ErrorNotice error={restore.error} />}
      </Card>
    )
  if (restore.data.state === 'failed')
    return (
      <Notice tone="bad" action={dismiss}>
        <p className="font-medium">The restore did not succeed</p>
        <p className="mt-0.5 text-ink-soft">
          {restore.data.message ??
            'Look at the logs of the instance, then try again or choose another backup.'}
        </p>
      </Notice>
    )
  return (
    <Notice tone="good" action={dismiss}>
      <p className="font-medium">Restored from {of}</p>
      <p className="mt-0.5 text-ink-soft">
        {restore.data.safetyBackupId
          ? 'To go back to what was there before, restore the newest backup that is marked Before a restore.'
          : 'There was nothing before it that had to be kept.'}
      </p>
    </Notice>
  )
}

function Steps({ restore }: { restore: Restore }) {
  const nowMs = useNow(1_000)
  const secured = restore.state !== 'securing'
  const soFarMs = nowMs - Date.parse(restore.requestedAt)
  const steps: Step[] = [
    {
      name: 'securing',
      label: 'What is there now is backed up',
      state: secured ? 'done' : 'active',
      durationMs: secured ? null : soFarMs,
    },
    {
      name: 'ordered',
      label: 'The backup is put in its place, and OpenClaw starts with it',
      state: secured ? 'active' : 'waiting',
      durationMs: secured ? soFarMs : null,
    },
  ]
  return <StepList label="Steps of the restore" steps={steps} />
}
