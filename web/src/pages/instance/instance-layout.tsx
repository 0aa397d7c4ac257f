import { Outlet } from '@tanstack/react-router'
import { useMe } from '../../app/use-me.ts'
import { paths } from '../../paths.ts'
import { Page } from '../../ui/card.tsx'
import { Notice } from '../../ui/notice.tsx'
import { StatusBadge } from '../../ui/status-badge.tsx'
import { Tabs } from '../../ui/tabs.tsx'
import { ProvisionCard } from '../provision/provision-card.tsx'
import { InstanceActions } from './instance-actions-bar.tsx'

const tabs = [
  { path: paths.instance(), label: 'Overview' },
  { path: paths.backups(), label: 'Backups' },
  { path: paths.secrets(), label: 'Secrets' },
  { path: paths.egress(), label: 'Egress' },
  { path: paths.domains(), label: 'Domains' },
]

/** Around everything about one's instance: what it is now, what can be done with it, and its pages. */
export function InstanceLayout() {
  const { instance } = useMe()
  // A stopped or failed instance still has its pages: this is where one sees why, and deletes it.
  if (!instance) return <ProvisionCard instance={null} />
  return (
    <Page
      title="Instance"
      lead={
        <span className="flex flex-wrap items-center gap-x-3">
          <span className="font-medium text-ink">{instance.name}</span>
          <StatusBadge instance={instance} />
        </span>
      }
      actions={<InstanceActions instance={instance} />}
    >
      <Tabs label="Instance" tabs={tabs} />
      {instance.reason && (
        <Notice tone={instance.status === 'failed' ? 'bad' : 'info'}>{instance.reason.message}</Notice>
      )}
      <Outlet />
    </Page>
  )
}
