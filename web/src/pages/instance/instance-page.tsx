import { useMe } from '../../app/use-me.ts'
import { Page } from '../../ui/card.tsx'
import { Notice } from '../../ui/notice.tsx'
import { StatusBadge } from '../../ui/status-badge.tsx'
import { LaunchProgress } from '../provision/launch-progress.tsx'
import { ProvisionCard } from '../provision/provision-card.tsx'
import { ApiSnippets } from './api-snippets.tsx'
import { InstanceActions } from './instance-actions-bar.tsx'
import { InstanceFacts } from './instance-facts.tsx'
import { LogsCard } from './logs-card.tsx'
import { UsageCard } from './usage-card.tsx'

export function InstancePage() {
  const { instance } = useMe()
  // A stopped or failed instance still has a page: this is where one sees why, and deletes it.
  if (!instance) return <ProvisionCard instance={null} />
  return (
    <Page
      title="Instance"
      lead={
        <span className="flex flex-wrap items-center gap-x-3">
          <span className="font-medium text-ink">{instance.name}</span>
          <StatusBadge status={instance.status} />
        </span>
      }
      actions={<InstanceActions instance={instance} />}
    >
      {instance.reason && (
        <Notice tone={instance.status === 'failed' ? 'bad' : 'info'}>{instance.reason.message}</Notice>
      )}
      {instance.isolation === 'none' && (
        <Notice tone="warn">
          This instance runs as a process on this machine; that isolates nothing. It can do what the user that
          runs Reef can do.
        </Notice>
      )}
      {instance.status === 'provisioning' && (
        <div className="rounded-card border border-line bg-surface px-5 py-3 shadow-card">
          <LaunchProgress steps={instance.steps} />
        </div>
      )}
      <InstanceFacts instance={instance} />
      <UsageCard instance={instance} />
      <LogsCard instanceId={instance.id} />
      <ApiSnippets />
    </Page>
  )
}
