import { Link } from '@tanstack/react-router'
import type { ReactNode } from 'react'
import { paths } from '../../paths.ts'
import { Wordmark } from '../../ui/atoll.tsx'

/** The frame of sign-up, log-in and invitations. */
export function EnterFrame({
  title,
  lead,
  children,
  footer,
}: {
  title: string
  lead?: ReactNode
  children: ReactNode
  footer?: ReactNode
}) {
  return (
    <main className="flex min-h-full flex-col items-center px-5 pt-[10vh] pb-12">
      <Link {...paths.start()} aria-label="Reef, start" className="mb-9 rounded-control">
        <Wordmark />
      </Link>
      <div className="w-full max-w-95 rounded-2xl border border-line bg-surface p-6 shadow-card sm:p-8">
        <h1 className="text-[1.375rem]">{title}</h1>
        {lead && <p className="mt-1.5 text-sm text-ink-soft">{lead}</p>}
        <div className="mt-6">{children}</div>
      </div>
      {footer && <p className="mt-5 text-sm text-ink-soft">{footer}</p>}
    </main>
  )
}

export const linkClass = 'font-medium text-lagoon underline-offset-3 hover:underline'
