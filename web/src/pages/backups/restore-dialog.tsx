import { useMutation, useQuery } from '@tanstack/react-query'
import { ArrowRight } from 'lucide-react'
import type { ReactNode } from 'react'
import { call } from '../../api/client.ts'
import type { Backup, Restore, RestorePreview } from '../../api/types.ts'
import { Button } from '../../ui/button.tsx'
import { bytesText } from '../../ui/bytes.ts'
import { Dialog } from '../../ui/dialog.tsx'
import { ErrorNotice, Notice } from '../../ui/notice.tsx'
import { SkeletonRows } from '../../ui/skeleton.tsx'
import { absoluteTime } from '../../ui/time.tsx'
import { restorePreviewQuery } from './queries.ts'
import { countText } from './words.ts'

interface RestoreDialogProps {
  backup: Backup
  onClose: () => void
  onBegun: (restore: Restore) => void
}

/** Says what a restore would change before it is one. */
export function RestoreDialog({ backup, onClose, onBegun }: RestoreDialogProps) {
  const preview = useQuery(restorePreviewQuery(backup))
  const restore = useMutation({
    meta: { showsError: true },
    mutationFn: () =>
      call<Restore>('POST', '/api/restore', {
        body: { instanceId: backup.instanceId, backupId: backup.id },
      }),
    onSuccess: onBegun,
  })
  return (
    <Dialog
      open
      onClose={onClose}
      title="Restore this backup?"
      description={`Of ${absoluteTime(backup.completedAt ?? backup.requestedAt)}.`}
    >
      <div className="space-y-4">
        {preview.isPending && <SkeletonRows />}
        {preview.error && <ErrorNotice error={preview.error} onRetry={() => void preview.refetch()} />}
        {preview.data && <Preview preview={preview.data} />}
        {restore.error && <ErrorNotice error={restore.error} />}
      </div>
      <div className="mt-6 flex justify-end gap-2">
        <Button onClick={onClose}>Cancel</Button>
        <Button
          variant="danger"
          pending={restore.isPending}
          disabled={!preview.data}
          onClick={() => restore.mutate()}
        >
          Restore backup
        </Button>
      </div>
    </Dialog>
  )
}

function Preview({ preview }: { preview: RestorePreview }) {
  const { conversations, contentBytes, openclawVersion, lost } = preview
  return (
    <>
      <table className="w-full text-sm">
        <thead>
          <tr className="text-left text-[0.8125rem] text-ink-faint">
            <th scope="col" className="pb-1 font-normal">
              <span className="sr-only">What</span>
            </th>
            <th scope="col" className="pb-1 font-normal">
              Now
            </th>
            <th scope="col" className="pb-1 font-normal">
              After
            </th>
          </tr>
        </thead>
        <tbody>
          <Change label="Conversations" {...conversations} text={String} />
          <Change label="Contents" {...contentBytes} text={bytesText} />
          <Change label="OpenClaw" {...openclawVersion} text={String} />
        </tbody>
      </table>
      <Notice tone="warn">
        What was said and changed since {absoluteTime(lost.since)} is given up
        {lost.backupsInBetween > 0 &&
          `; ${countText(lost.backupsInBetween, 'newer backup stays', 'newer backups stay')} in the list`}
        . What is there now is backed up first, so that you can go back. Answers under way end.
      </Notice>
    </>
  )
}

interface ChangeProps<T> {
  label: string
  now: T | null
  after: T | null
  text: (value: T) => string
}

function Change<T extends string | number>({ label, now, after, text }: ChangeProps<T>): ReactNode {
  const show = (value: T | null) => (value === null ? 'not known' : text(value))
  return (
    <tr className="border-t border-line">
      <th scope="row" className="py-2 pr-4 text-left font-normal text-ink-soft">
        {label}
      </th>
      <td className="py-2 pr-4 tabular-nums">{show(now)}</td>
      <td className="py-2 font-medium tabular-nums">
        {show(now) !== show(after) && (
          <ArrowRight size={13} className="mr-1.5 inline text-coral-ink" aria-hidden="true" />
        )}
        {show(after)}
      </td>
    </tr>
  )
}
