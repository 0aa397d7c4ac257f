import { CircleAlert, CircleCheck, Info, TriangleAlert } from 'lucide-react'
import type { ReactNode } from 'react'
import { messageOf } from '../api/errors.ts'
import { Button } from './button.tsx'
import { cn } from './class-names.ts'

const tones = {
  info: { box: 'bg-lagoon-soft border-lagoon/20', icon: <Info size={16} className="text-lagoon" /> },
  good: { box: 'bg-good-soft border-good/20', icon: <CircleCheck size={16} className="text-good" /> },
  warn: { box: 'bg-warn-soft border-warn/25', icon: <TriangleAlert size={16} className="text-warn" /> },
  bad: { box: 'bg-bad-soft border-bad/25', icon: <CircleAlert size={16} className="text-bad" /> },
}

interface NoticeProps {
  tone?: keyof typeof tones
  children: ReactNode
  action?: ReactNode
  className?: string
}

export function Notice({ tone = 'info', children, action, className }: NoticeProps) {
  return (
    <div
      role={tone === 'bad' ? 'alert' : undefined}
      className={cn(
        'flex items-start gap-2.5 rounded-[0.625rem] border px-3.5 py-2.5 text-sm',
        tones[tone].box,
        className,
      )}
    >
      <span className="mt-[3px] shrink-0">{tones[tone].icon}</span>
      <div className="min-w-0 flex-1 wrap-break-word">{children}</div>
      {action}
    </div>
  )
}

/** What went wrong and a way on. */
export function ErrorNotice({
  error,
  onRetry,
  className,
}: {
  error: unknown
  onRetry?: () => void
  className?: string
}) {
  return (
    <Notice
      tone="bad"
      className={className ?? ''}
      action={
        onRetry && (
          <Button size="small" variant="secondary" onClick={onRetry} className="-my-0.5">
            Try again
          </Button>
        )
      }
    >
      {messageOf(error)}
    </Notice>
  )
}
