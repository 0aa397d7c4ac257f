import type { Instance, InstanceStatus } from '../api/types.ts'
import { cn } from './class-names.ts'

const asleep = { label: 'Asleep', dot: 'bg-lagoon', text: 'text-lagoon' }

const looks: Record<InstanceStatus, { label: string; dot: string; text: string }> = {
  provisioning: { label: 'Starting', dot: 'bg-warn animate-breathe', text: 'text-warn' },
  running: { label: 'Running', dot: 'bg-good', text: 'text-good' },
  suspended: asleep,
  stopping: { label: 'Stopping', dot: 'bg-warn animate-breathe', text: 'text-warn' },
  stopped: { label: 'Stopped', dot: 'bg-ink-faint', text: 'text-ink-soft' },
  failed: { label: 'Failed', dot: 'bg-bad', text: 'text-bad' },
  deleting: { label: 'Deleting', dot: 'bg-bad animate-breathe', text: 'text-bad' },
  deleted: { label: 'Deleted', dot: 'bg-ink-faint', text: 'text-ink-soft' },
}

interface StatusBadgeProps {
  instance: Pick<Instance, 'status' | 'sleep'>
  className?: string
}

export function StatusBadge({ instance, className }: StatusBadgeProps) {
  const look = instance.sleep ? asleep : looks[instance.status]
  return (
    <span className={cn('inline-flex items-center gap-1.5 text-sm font-medium', look.text, className)}>
      <span className={cn('size-2 rounded-full', look.dot)} />
      {look.label}
    </span>
  )
}
