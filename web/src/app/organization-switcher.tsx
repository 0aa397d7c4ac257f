import { useNavigate } from '@tanstack/react-router'
import { Plus } from 'lucide-react'
import { useState } from 'react'
import type { Me } from '../api/types.ts'
import { paths } from '../paths.ts'
import { Menu, MenuChoice, MenuItem, MenuSeparator } from '../ui/menu.tsx'
import { CreateOrganizationDialog } from './create-organization-dialog.tsx'
import { OrganizationButton } from './organization-button.tsx'
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
      <Menu trigger={<OrganizationButton organization={organization} />}>
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
