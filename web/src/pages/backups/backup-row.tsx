import { ShieldCheck } from 'lucide-react'
import type { Backup } from '../../api/types.ts'
import { Button } from '../../ui/button.tsx'
import { bytesText } from '../../ui/bytes.ts'
import { absoluteTime, RelativeTime } from '../../ui/time.tsx'
import { isUnderWay } from './queries.ts'
import { countText, locationText, reasonText } from './words.ts'

export function BackupRow({ backup, onRestore }: { backup: Backup; onRestore: () => void }) {
  const at = backup.completedAt ?? backup.requestedAt
  return (
    <li
      aria-label={`${reasonText[backup.reason]}, ${absoluteTime(at)}`}
      className="flex flex-wrap items-center gap-x-5 gap-y-2 px-5 py-3.5"
    >
      <div className="min-w-0 flex-1 basis-64">
        <p className="flex flex-wrap items-baseline gap-x-2.5 text-sm">
          <span className="font-medium">{absoluteTime(at)}</span>
          <span className="text-[0.8125rem] text-ink-faint">
            <RelativeTime at={at} />
          </span>
          <span className="rounded bg-sunken px-1.5 py-0.5 text-xs text-ink-soft">
            {reasonText[backup.reason]}
          </span>
        </p>
        <p className="mt-1 text-[0.8125rem] text-ink-faint">
          <Contents backup={backup} />
        </p>
        {backup.problem && <p className="mt-1 text-[0.8125rem] text-bad">{backup.problem}</p>}
      </div>
      {backup.state === 'complete' && (
        <>
          <Verified backup={backup} />
          <Button size="small" onClick={onRestore}>
            Restore
          </Button>
        </>
      )}
    </li>
  )
}

function Contents({ backup }: { backup: Backup }) {
  if (isUnderWay(backup)) return <UnderWay running={backup.state === 'running'} />
  if (backup.state === 'failed')
    return 'It was not completed; nothing was changed. Try again with Back up now.'
  const parts = [
    backup.storedBytes !== null && bytesText(backup.storedBytes),
    backup.conversationCount !== null && countText(backup.conversationCount, 'conversation', 'conversations'),
    locationText(backup.locations),
    backup.kind === 'checkpoint' && 'holds what changed since the full backup before it',
  ]
  return parts.filter(Boolean).join(' · ')
}

function UnderWay({ running }: { running: boolean }) {
  return (
    <span role="status" className="flex items-center gap-2">
      <span className="size-2 shrink-0 animate-breathe rounded-full bg-coral" />
      {running
        ? 'Its files are being packed, encrypted and stored. It goes on working meanwhile.'
        : 'About to begin.'}
    </span>
  )
}

function Verified({ backup }: { backup: Backup }) {
  if (!backup.verifiedAt) return <span className="text-[0.8125rem] text-ink-faint">Not tried out yet</span>
  return (
    <span className="flex items-center gap-1.5 text-[0.8125rem] text-good">
      <ShieldCheck size={15} />
      <span>
        Restored with success <RelativeTime at={backup.verifiedAt} />
      </span>
    </span>
  )
}
