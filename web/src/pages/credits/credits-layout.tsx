import { Outlet } from '@tanstack/react-router'
import { useMe } from '../../app/use-me.ts'
import { paths } from '../../paths.ts'
import { Page } from '../../ui/card.tsx'
import { Tabs } from '../../ui/tabs.tsx'
import { mayAdministrate } from '../settings/permissions.ts'

const everybody = [
  { path: paths.credits(), label: 'Overview' },
  { path: paths.usage(), label: 'Usage' },
]
const administrators = [
  { path: paths.budgets(), label: 'Budgets and alerts' },
  { path: paths.statement(), label: 'Statement' },
]
const prices = [{ path: paths.prices(), label: 'Prices' }]

/** Around everything about credits: ordinary members see what they used and what things cost. */
export function CreditsLayout() {
  const { organization } = useMe()
  const tabs = [...everybody, ...(mayAdministrate(organization) ? administrators : []), ...prices]
  return (
    <Page
      title="Credits"
      lead={`Of ${organization.personal ? 'your personal organization' : organization.name}. Models and running time are paid with them.`}
    >
      <Tabs label="Credits" tabs={tabs} />
      <Outlet />
    </Page>
  )
}
