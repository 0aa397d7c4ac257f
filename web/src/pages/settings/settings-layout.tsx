import { Outlet } from '@tanstack/react-router'
import { useMe } from '../../app/use-me.ts'
import { paths } from '../../paths.ts'
import { Page } from '../../ui/card.tsx'
import { Tabs } from '../../ui/tabs.tsx'

const tabs = [
  { path: paths.apiKeys(), label: 'API keys' },
  { path: paths.members(), label: 'Members' },
  { path: paths.organization(), label: 'Organization' },
]

export function SettingsLayout() {
  const { organization } = useMe()
  return (
    <Page title="Settings" lead={`Of ${organization.name}.`}>
      <Tabs label="Settings" tabs={tabs} />
      <Outlet />
    </Page>
  )
}
