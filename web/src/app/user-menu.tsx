import { useNavigate } from '@tanstack/react-router'
import { ChevronsUpDown, LogOut } from 'lucide-react'
import { logOut } from '../api/auth.ts'
import type { User } from '../api/types.ts'
import { paths } from '../paths.ts'
import { Menu, MenuChoice, MenuItem, MenuSeparator } from '../ui/menu.tsx'
import { setTheme, useTheme } from './theme.ts'

export function UserMenu({ user }: { user: User }) {
  const navigate = useNavigate()
  const theme = useTheme()
  return (
    <Menu
      side="top"
      trigger={
        <button
          type="button"
          aria-label={`Account: ${user.name}`}
          className="flex w-full items-center gap-2.5 rounded-control px-2 py-1.5 text-left transition-colors hover:bg-hover"
        >
          <span className="flex size-7.5 shrink-0 items-center justify-center rounded-full bg-coral-soft text-xs font-semibold text-coral-ink">
            {initials(user.name)}
          </span>
          <span className="min-w-0 flex-1 leading-tight">
            <span className="block truncate text-sm font-medium">{user.name}</span>
            <span className="block truncate text-xs text-ink-faint">{user.email}</span>
          </span>
          <ChevronsUpDown size={15} className="text-ink-faint" />
        </button>
      }
    >
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

function initials(name: string): string {
  const words = name.trim().split(/\s+/)
  return [words[0], words.length > 1 ? words.at(-1) : undefined]
    .map((word) => word?.charAt(0).toUpperCase() ?? '')
    .join('')
}
