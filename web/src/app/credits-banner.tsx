import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { X } from 'lucide-react'
import { call } from '../api/client.ts'
import { alertsQuery, creditsQuery } from '../api/credits.ts'
import { paths } from '../paths.ts'
import { buttonClass, IconButton } from '../ui/button.tsx'
import { cn } from '../ui/class-names.ts'
import { type CreditsLine, creditsLines } from './credits-lines.ts'

const tones = {
  info: 'bg-lagoon-soft',
  warn: 'bg-warn-soft',
  bad: 'bg-bad-soft',
}

/** Above every page, in a line each: that something is stopped for lack of credits, and what else one should know. */
export function CreditsBanner() {
  const credits = useQuery(creditsQuery(false))
  const alerts = useQuery(alertsQuery)
  return creditsLines(credits.data, alerts.data ?? []).map((line) => <Line key={line.id} line={line} />)
}

function Line({ line }: { line: CreditsLine }) {
  const client = useQueryClient()
  const dismiss = useMutation({
    mutationFn: () => call('POST', `/api/alerts/${line.alertId}/dismiss`, { body: {} }),
    onSuccess: () => client.invalidateQueries({ queryKey: alertsQuery.queryKey }),
  })
  return (
    <div
      role={line.tone === 'bad' ? 'alert' : 'status'}
      className={cn(
        'flex shrink-0 flex-wrap items-center gap-x-3 gap-y-1.5 border-b border-line px-4 py-1.5 text-sm',
        tones[line.tone],
      )}
    >
      <span className="min-w-0 flex-1 basis-60">
        <strong className="font-semibold">{line.title}.</strong> {line.text}
      </span>
      <span className="flex items-center gap-1.5">
        {line.link && (
          <Link {...paths[line.link.page]()} className={buttonClass('secondary', 'small')}>
            {line.link.label}
          </Link>
        )}
        {line.alertId && (
          <IconButton
            label={`Dismiss: ${line.title}`}
            disabled={dismiss.isPending}
            onClick={() => dismiss.mutate()}
          >
            <X size={15} />
          </IconButton>
        )}
      </span>
    </div>
  )
}
