import { useQuery } from '@tanstack/react-query'
import type { Backup, BackupDrill } from '../../api/types.ts'
import { Card, EmptyState } from '../../ui/card.tsx'
import { cn } from '../../ui/class-names.ts'
import { ErrorNotice } from '../../ui/notice.tsx'
import { SkeletonRows } from '../../ui/skeleton.tsx'
import { absoluteTime, RelativeTime } from '../../ui/time.tsx'
import { drillsQuery } from './queries.ts'

const outcomes: Record<BackupDrill['state'], { label: string; className: string }> = {
  running: { label: 'Running', className: 'text-warn' },
  passed: { label: 'Passed', className: 'text-good' },
  failed: { label: 'Failed', className: 'text-bad' },
}

interface DrillsCardProps {
  instanceId: string
  backups: Backup[] | undefined
}

export function DrillsCard({ instanceId, backups }: DrillsCardProps) {
  const drills = useQuery(drillsQuery(instanceId))
  return (
    <Card
      title="Drills"
      description="Now and then a backup is restored for trial on a machine of its own, to see that it can be."
      flush
    >
      {drills.isPending && <SkeletonRows rows={1} />}
      {drills.error && (
        <ErrorNotice error={drills.error} onRetry={() => void drills.refetch()} className="m-5" />
      )}
      {drills.data?.length === 0 && (
        <EmptyState title="No drill yet">
          The first comes by itself once there is a backup. Its result is shown here and beside the backup.
        </EmptyState>
      )}
      <ul className="divide-y divide-line">
        {drills.data?.map((drill) => (
          <DrillRow key={drill.id} drill={drill} backup={backups?.find(({ id }) => id === drill.backupId)} />
        ))}
      </ul>
    </Card>
  )
}

function DrillRow({ drill, backup }: { drill: BackupDrill; backup: Backup | undefined }) {
  const { label, className } = outcomes[drill.state]
  return (
    <li className="flex flex-wrap items-baseline gap-x-4 gap-y-1 px-5 py-3 text-sm">
      <span className={cn('w-16 font-medium', className)}>{label}</span>
      <span className="min-w-0 flex-1 basis-56 text-ink-soft">
        {backup?.completedAt
          ? `The backup of ${absoluteTime(backup.completedAt)}`
          : 'A backup that is no longer kept'}
        {drill.message && <span className="block text-[0.8125rem] text-ink-faint">{drill.message}</span>}
      </span>
      <span className="text-[0.8125rem] text-ink-faint">
        <RelativeTime at={drill.finishedAt ?? drill.startedAt} />
      </span>
    </li>
  )
}
