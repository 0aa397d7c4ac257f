import { useQuery } from '@tanstack/react-query'
import { Check, Undo2 } from 'lucide-react'
import { useState } from 'react'
import type { Egress, EgressDenied } from '../../api/types.ts'
import { Button } from '../../ui/button.tsx'
import { Card, EmptyState } from '../../ui/card.tsx'
import { ErrorNotice } from '../../ui/notice.tsx'
import { SkeletonRows } from '../../ui/skeleton.tsx'
import { RelativeTime } from '../../ui/time.tsx'
import { isAllowed, portsText } from './coverage.ts'
import { deniedQuery } from './queries.ts'
import { useEgressChange } from './use-egress-change.ts'

const reasonText: Record<string, string> = {
  not_listed: 'Not on the list',
  port: 'Allowed, but not at this port',
  no_egress: 'Before it belonged to anybody',
  address: 'An address; only names can be allowed',
  private_address: 'Leads into a private network, which nothing may reach',
  server_name: 'Asked for another name inside the connection',
  limit: 'Too many connections at once',
  malformed: 'Names no server',
}

interface DeniedCardProps {
  instanceId: string
  egress: Egress
}

/** What the instance was refused lately; live, so that one sees what an agent runs into and allows it in one click. */
export function DeniedCard({ instanceId, egress }: DeniedCardProps) {
  const denied = useQuery(deniedQuery(instanceId))
  return (
    <Card
      title="Refused in the last 24 hours"
      description="It shows here within seconds when something in the instance runs into the list."
      flush
    >
      {denied.isPending && <SkeletonRows />}
      {denied.error && (
        <ErrorNotice error={denied.error} onRetry={() => void denied.refetch()} className="m-5" />
      )}
      {denied.data?.length === 0 && (
        <EmptyState title="Nothing was refused">
          {egress.enforced
            ? 'When the agent needs a site that is not allowed, it appears here with a button to allow it.'
            : 'With this driver nothing ever is.'}
        </EmptyState>
      )}
      <ul className="divide-y divide-line">
        {denied.data?.map((entry) => (
          <DeniedRow
            key={`${entry.host} ${entry.reason}`}
            instanceId={instanceId}
            egress={egress}
            entry={entry}
          />
        ))}
      </ul>
    </Card>
  )
}

function DeniedRow({ instanceId, egress, entry }: DeniedCardProps & { entry: EgressDenied }) {
  const change = useEgressChange(instanceId)
  /** The rule for the name as it was before Allow was chosen here; null when there was none. */
  const [before, setBefore] = useState<{ ports: number[] } | null>()
  const { host, ports } = entry
  const allowed = entry.canAllow && isAllowed(egress.rules, entry)
  const allow = () => {
    setBefore(egress.rules.find((rule) => !rule.inherited && rule.domain === host) ?? null)
    change.mutate({ kind: 'allow', host, ports })
  }
  const undo = () => {
    setBefore(undefined)
    if (before) change.mutate({ kind: 'put', place: 'instance', domain: host, ports: before.ports })
    else change.mutate({ kind: 'delete', place: 'instance', domain: host })
  }
  return (
    <li aria-label={host || 'Unreadable'} className="flex flex-wrap items-center gap-x-4 gap-y-1.5 px-5 py-3">
      <div className="min-w-0 flex-1 basis-56">
        <p className="font-mono text-[0.8125rem] font-medium break-all">
          {host || 'Nothing readable'}
          <span className="font-sans font-normal text-ink-faint">{portsText(ports)}</span>
        </p>
        <p className="text-[0.8125rem] text-ink-faint">
          {reasonText[entry.reason] ?? entry.reason} · {entry.attempts.toLocaleString('en')}{' '}
          {entry.attempts === 1 ? 'attempt' : 'attempts'}, last <RelativeTime at={entry.lastAt} />
        </p>
      </div>
      {allowed ? (
        <span className="flex items-center gap-2">
          <span role="status" className="flex items-center gap-1.5 text-[0.8125rem] text-good">
            <Check size={15} /> Allowed
          </span>
          {before !== undefined && (
            <Button size="small" variant="quiet" icon={<Undo2 size={14} />} onClick={undo}>
              Undo
            </Button>
          )}
        </span>
      ) : (
        entry.canAllow && (
          <Button size="small" onClick={allow} pending={change.isPending}>
            Allow
          </Button>
        )
      )}
    </li>
  )
}
