import { Link, Outlet } from '@tanstack/react-router'
import { useMe } from '../../app/use-me.ts'
import { paths } from '../../paths.ts'
import { Page } from '../../ui/card.tsx'

const tabs = [
  { path: paths.apiKeys(), label: 'API keys' },
  { path: paths.members(), label: 'Members' },
  { path: paths.organization(), label: 'Organization' },
]

export function SettingsLayout() {
  const { organization } = useMe()
  return (
    <Page title="Settings" lead={`Of ${organization.name}.`}>
      <nav aria-label="Settings" className="flex gap-5 border-b border-line">
        {tabs.map(({ path, label }) => (
          <Link
            key={label}
            {...path}
            className="-mb-px border-b-2 border-transparent pb-2.5 text-sm font-medium text-ink-soft transition-colors hover:text-ink aria-[current=page]:border-coral aria-[current=page]:text-ink"
          >
            {label}
          </Link>
        ))}
      </nav>
      <Outlet />
    </Page>
  )
}
