import { useNavigate } from '@tanstack/react-router'
import { LogOut } from 'lucide-react'
import { logOut } from '../api/auth.ts'
import type { User } from '../api/types.ts'
import { paths } from '../paths.ts'
import { Menu, MenuChoice, MenuItem, MenuSeparator } from '../ui/menu.tsx'
import { setTheme, useTheme } from './theme.ts'
import { UserButton } from './user-button.tsx'

export function UserMenu({ user }: { user: User }) {
  const navigate = useNavigate()
  const theme = useTheme()
  return (
    <Menu side="top" trigger={<UserButton user={user} />}>
      <MenuChoice
        label="Appearance"
        value={theme}
        options={[
          { value: 'system', label: 'As the system' },
          { value: 'light', label: 'Light' },
          { value: 'dark', label: 'Dark' },
        ]}
        onChange={setTheme}
      />
      <MenuSeparator />
      <MenuItem
        icon={<LogOut size={15} />}
        onSelect={() => void logOut().then(() => navigate(paths.start()))}
      >
        Log out
      </MenuItem>
    </Menu>
  )
}
