import { useMutation, useQueryClient } from '@tanstack/react-query'
import { ExternalLink } from 'lucide-react'
import { useState } from 'react'
import { call } from '../../api/client.ts'
import type { Domain } from '../../api/types.ts'
import { useVisit } from '../../app/instance-actions.ts'
import { Button } from '../../ui/button.tsx'
import { cn } from '../../ui/class-names.ts'
import { ConfirmDialog } from '../../ui/confirm-dialog.tsx'
import { RelativeTime } from '../../ui/time.tsx'
import { showDone } from '../../ui/toast.tsx'
import { DomainRecords } from './domain-records.tsx'
import { domainsQuery } from './queries.ts'

const states: Record<Domain['state'], { label: string; dot: string; text: string }> = {
  pending: { label: 'Waits for its record', dot: 'bg-warn animate-breathe', text: 'text-warn' },
  verified: { label: 'Verified', dot: 'bg-good', text: 'text-good' },
  failed: { label: 'Not verified', dot: 'bg-bad', text: 'text-bad' },
}

export function DomainRow({ domain, instanceId }: { domain: Domain; instanceId: string }) {
  const { label, dot, text } = states[domain.state]
  const isSet = domain.state === 'verified' && domain.pointsHere !== false
  return (
    <li aria-label={domain.domain} className="space-y-3 px-5 py-4">
      <div className="flex flex-wrap items-center gap-x-4 gap-y-2">
        <div className="min-w-0 flex-1 basis-60">
          <p className="flex flex-wrap items-baseline gap-x-3">
            <span className="text-sm font-medium break-all">{domain.domain}</span>
            <span className={cn('inline-flex items-center gap-1.5 text-[0.8125rem] font-medium', text)}>
              <span className={cn('size-2 rounded-full', dot)} />
              {label}
            </span>
          </p>
          <p className="mt-0.5 text-[0.8125rem] text-ink-faint">
            {domain.checkedAt ? (
              <>
                Looked up <RelativeTime at={domain.checkedAt} />
              </>
            ) : (
              'Looked up in a moment'
            )}
            {domain.state === 'pending' && '; this goes on by itself'}
          </p>
        </div>
        <DomainActions domain={domain} instanceId={instanceId} />
      </div>
      {domain.problem && (
        <p
          role={domain.state === 'failed' ? 'alert' : undefined}
          className={cn('text-sm', domain.state === 'failed' ? 'text-bad' : 'text-ink-soft')}
        >
          {domain.problem}
        </p>
      )}
      {!isSet && <DomainRecords domain={domain} />}
    </li>
  )
}

function DomainActions({ domain, instanceId }: { domain: Domain; instanceId: string }) {
  const [confirming, setConfirming] = useState(false)
  const client = useQueryClient()
  const visit = useVisit(instanceId, domain.domain)
  const { queryKey } = domainsQuery(instanceId)
  const address = `/api/instances/${instanceId}/domains/${domain.id}`
  const check = useMutation({
    mutationFn: () => call<Domain>('POST', `${address}/check`, { body: {} }),
    onSuccess: (checked) => {
      client.setQueryData(queryKey, (known) => known?.map((one) => (one.id === checked.id ? checked : one)))
      if (checked.state === 'verified') showDone(`${checked.domain} leads to this instance.`)
    },
  })
  const remove = useMutation({
    mutationFn: () => call('DELETE', address),
    onSuccess: async () => {
      setConfirming(false)
      showDone(`${domain.domain} is removed.`)
      await client.invalidateQueries({ queryKey })
    },
  })
  return (
    <div className="flex flex-wrap gap-2">
      {domain.state === 'verified' && (
        <Button
          size="small"
          icon={<ExternalLink size={14} />}
          pending={visit.isPending}
          onClick={() => visit.mutate()}
        >
          Open
        </Button>
      )}
      <Button size="small" pending={check.isPending} onClick={() => check.mutate()}>
        {check.isPending ? 'Looking it up…' : 'Check again'}
      </Button>
      <Button size="small" variant="danger" onClick={() => setConfirming(true)}>
        Remove
      </Button>
      <ConfirmDialog
        open={confirming}
        onClose={() => setConfirming(false)}
        title={`Remove ${domain.domain}?`}
        confirmLabel="Remove domain"
        pending={remove.isPending}
        onConfirm={() => remove.mutate()}
      >
        The name no longer leads here. Take its records away at the DNS too; to have it back, add it again and
        set the new record.
      </ConfirmDialog>
    </div>
  )
}
