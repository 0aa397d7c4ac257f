import { useRouterState } from '@tanstack/react-router'
import { Menu as MenuIcon } from 'lucide-react'
import { type ReactNode, Suspense, useEffect, useState } from 'react'
import type { Me } from '../api/types.ts'
import { Wordmark } from '../ui/atoll.tsx'
import { IconButton } from '../ui/button.tsx'
import { ConfirmEmailBanner } from './confirm-email-banner.tsx'
import { CreditsBanner } from './credits-banner.tsx'
import { CreditsChip } from './credits-chip.tsx'
import { lazyNamed } from './lazy-named.ts'
import { Sidebar } from './sidebar.tsx'

const NavigationDrawer = lazyNamed(() => import('./navigation-drawer.tsx'), 'NavigationDrawer')

/** Sidebar beside the page; on a phone it slides in from the left. */
export function Shell({ me, children }: { me: Me; children: ReactNode }) {
  const [open, setOpen] = useState(false)
  // Kept once it was opened, so that it can slide out again.
  const [opened, setOpened] = useState(false)
  const address = useRouterState({ select: (state) => state.location.href })
  // biome-ignore lint/correctness/useExhaustiveDependencies: going anywhere closes the drawer.
  useEffect(() => setOpen(false), [address])
  return (
    <div className="flex h-dvh flex-col md:flex-row">
      <a
        href="#main"
        className="sr-only rounded-control bg-primary px-3 py-2 text-on-primary focus:not-sr-only focus:absolute focus:top-2 focus:left-2 focus:z-50"
      >
        Skip to the content
      </a>
      <header className="flex h-13 shrink-0 items-center gap-2 border-b border-line bg-sunken px-2 md:hidden">
        <IconButton
          label="Open navigation"
          onClick={() => {
            setOpened(true)
            setOpen(true)
          }}
        >
          <MenuIcon size={20} />
        </IconButton>
        <Wordmark className="text-lg" />
        <CreditsChip />
      </header>
      <aside className="hidden w-67 shrink-0 border-r border-line bg-sunken md:block">
        <Sidebar me={me} />
      </aside>
      {opened && (
        <Suspense fallback={null}>
          <NavigationDrawer open={open} onOpenChange={setOpen}>
            <Sidebar me={me} />
          </NavigationDrawer>
        </Suspense>
      )}
      <main id="main" className="flex min-h-0 min-w-0 flex-1 flex-col">
        {me.emailToConfirm && <ConfirmEmailBanner toConfirm={me.emailToConfirm} />}
        <CreditsBanner />
        <div className="min-h-0 flex-1">{children}</div>
      </main>
    </div>
  )
}
