import { Link } from '@tanstack/react-router'
import { Coins, Gauge, MessageSquare, Search, Server, Settings2 } from 'lucide-react'
import { type ReactNode, Suspense } from 'react'
import type { Me } from '../api/types.ts'
import { ConversationList } from '../pages/chat/conversation-list.tsx'
import { paths } from '../paths.ts'
import { Wordmark } from '../ui/atoll.tsx'
import { IconButton } from '../ui/button.tsx'
import { StatusBadge } from '../ui/status-badge.tsx'
import { openCommandPalette } from './command-palette-host.tsx'
import { CreditsAmount } from './credits-chip.tsx'
import { hasConversations } from './instance-state.ts'
import { lazyNamed } from './lazy-named.ts'
import { OrganizationButton } from './organization-button.tsx'
import { shortcutText } from './shortcuts.ts'
import { UserButton } from './user-button.tsx'

const OrganizationSwitcher = lazyNamed(() => import('./organization-switcher.tsx'), 'OrganizationSwitcher')
const UserMenu = lazyNamed(() => import('./user-menu.tsx'), 'UserMenu')

export function Sidebar({ me }: { me: Me }) {
  const { instance } = me
  return (
    <div className="flex h-full flex-col">
      <div className="flex items-center justify-between px-4 pt-4 pb-3">
        <Link {...paths.chat()} aria-label="Reef, start" className="flex rounded-control">
          <Wordmark />
        </Link>
        <IconButton label={`Search and commands (${shortcutText('K')})`} onClick={openCommandPalette}>
          <Search size={17} />
        </IconButton>
      </div>
      <div className="px-3">
        <Suspense fallback={<OrganizationButton organization={me.organization} />}>
          <OrganizationSwitcher me={me} />
        </Suspense>
      </div>
      <nav aria-label="Main" className="mt-3 space-y-0.5 px-3">
        <NavLink {...paths.chat()} icon={<MessageSquare size={16} />}>
          Chat
        </NavLink>
        <NavLink
          {...paths.instance()}
          section="/instance"
          icon={<Server size={16} />}
          aside={instance && <StatusBadge instance={instance} className="text-xs" />}
        >
          Instance
        </NavLink>
        <NavLink {...paths.credits()} section="/credits" icon={<Coins size={16} />} aside={<CreditsAmount />}>
          Credits
        </NavLink>
        <NavLink {...paths.apiKeys()} section="/settings" icon={<Settings2 size={16} />}>
          Settings
        </NavLink>
        {me.operator && (
          <NavLink {...paths.admin()} icon={<Gauge size={16} />}>
            Admin
          </NavLink>
        )}
      </nav>
      <div className="mt-5 min-h-0 flex-1">
        {instance && hasConversations(instance) && <ConversationList />}
      </div>
      <div className="border-t border-line p-2">
        <Suspense fallback={<UserButton user={me.user} />}>
          <UserMenu user={me.user} />
        </Suspense>
      </div>
    </div>
  )
}

interface NavLinkProps {
  to: '/chat' | '/instance' | '/credits' | '/settings/api-keys' | '/admin'
  icon: ReactNode
  children: ReactNode
  aside?: ReactNode
  /** Marked as current below this path. */
  section?: string
}

function NavLink({ to, icon, children, aside, section }: NavLinkProps) {
  const inSection = section !== undefined && location.pathname.startsWith(section)
  return (
    <Link
      to={to}
      aria-current={inSection ? 'page' : undefined}
      className="group flex h-9 items-center gap-2.5 rounded-control px-2.5 text-sm font-medium text-ink-soft transition-colors hover:bg-hover hover:text-ink aria-[current=page]:bg-surface aria-[current=page]:text-ink aria-[current=page]:shadow-card"
    >
      <span className="text-ink-faint group-aria-[current=page]:text-coral">{icon}</span>
      {children}
      {aside && <span className="ml-auto">{aside}</span>}
    </Link>
  )
}
