import { useMe } from '../../app/use-me.ts'
import { Notice } from '../../ui/notice.tsx'
import { LaunchProgress } from '../provision/launch-progress.tsx'
import { ApiSnippets } from './api-snippets.tsx'
import { InstanceFacts } from './instance-facts.tsx'
import { LogsCard } from './logs-card.tsx'
import { SleepCard } from './sleep-card.tsx'
import { UpgradeNotice } from './upgrade-notice.tsx'
import { UsageCard } from './usage-card.tsx'

export function InstancePage() {
  const { instance } = useMe()
  if (!instance) return null
  return (
    <>
      {instance.isolation === 'none' && (
        <Notice tone="warn">
          This instance runs as a process on this machine; that isolates nothing. It can do what the user that
          runs Reef can do.
        </Notice>
      )}
      {instance.upgrade && <UpgradeNotice upgrade={instance.upgrade} />}
      {instance.sleep && <SleepCard instance={instance} sleep={instance.sleep} />}
      {instance.status === 'provisioning' && (
        <div className="rounded-card border border-line bg-surface px-5 py-3 shadow-card">
          <LaunchProgress steps={instance.steps} />
        </div>
      )}
      <InstanceFacts instance={instance} />
      <UsageCard instance={instance} />
      <LogsCard instanceId={instance.id} />
      <ApiSnippets />
    </>
  )
}
