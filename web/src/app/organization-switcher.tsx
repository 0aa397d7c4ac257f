import { useNavigate } from '@tanstack/react-router'
import { Building2, ChevronsUpDown, Plus, User } from 'lucide-react'
import { useState } from 'react'
import type { Me } from '../api/types.ts'
import { paths } from '../paths.ts'
import { Menu, MenuChoice, MenuItem, MenuSeparator } from '../ui/menu.tsx'
import { CreateOrganizationDialog } from './create-organization-dialog.tsx'
import { switchOrganization } from './switch-organization.ts'

export function OrganizationSwitcher({ me }: { me: Me }) {
  const navigate = useNavigate()
  const [creating, setCreating] = useState(false)
  const { organization, organizations } = me
  const change = async (id: string) => {
    await switchOrganization(organizations.find((one) => one.id === id))
    await navigate(paths.chat())
  }
  return (
    <>
      <Menu
        trigger={
          <button
            type="button"
            aria-label={`Organization: ${organization.name}`}
            className="flex h-10 w-full items-center gap-2.5 rounded-control border border-line bg-surface px-2.5 text-left text-sm shadow-card transition-colors hover:border-line-strong"
          >
            <span className="text-ink-faint">
              {organization.personal ? <User size={16} /> : <Building2 size={16} />}
            </span>
            <span className="min-w-0 flex-1 truncate font-medium">{organization.name}</span>
            <ChevronsUpDown size={15} className="text-ink-faint" />
          </button>
        }
      >
        <MenuChoice
          label="Organization"
          value={organization.id}
          options={organizations.map((one) => ({
            value: one.id,
            label: one.personal ? `${one.name} (personal)` : one.name,
          }))}
          onChange={(id) => void change(id)}
        />
        <MenuSeparator />
        <MenuItem icon={<Plus size={15} />} onSelect={() => setCreating(true)}>
          New organization
        </MenuItem>
      </Menu>
      <CreateOrganizationDialog open={creating} onClose={() => setCreating(false)} />
    </>
  )
}
