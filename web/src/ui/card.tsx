import type { ReactNode } from 'react'
import { cn } from './class-names.ts'

interface CardProps {
  title?: string
  description?: ReactNode
  actions?: ReactNode
  children: ReactNode
  className?: string
  /** For tables and logs, which bring their own padding. */
  flush?: boolean
}

export function Card({ title, description, actions, children, className, flush }: CardProps) {
  return (
    <section
      aria-label={title}
      className={cn('overflow-hidden rounded-card border border-line bg-surface shadow-card', className)}
    >
      {(title || actions) && (
        <header
          className={cn(
            'flex flex-wrap items-center gap-x-4 gap-y-2 px-5 pt-4',
            flush && 'pb-3.5 border-b border-line',
          )}
        >
          <div className="min-w-0 flex-1 basis-40">
            {title && <h2 className="text-[0.9375rem]">{title}</h2>}
            {description && <p className="mt-0.5 text-sm text-ink-faint">{description}</p>}
          </div>
          {actions && <div className="flex flex-wrap items-center gap-2">{actions}</div>}
        </header>
      )}
      {flush ? children : <div className="p-5">{children}</div>}
    </section>
  )
}

/** The one layout of every page that is not the chat. */
export function Page({
  title,
  lead,
  actions,
  children,
}: {
  title: string
  lead?: ReactNode
  actions?: ReactNode
  children: ReactNode
}) {
  return (
    <div className="h-full overflow-y-auto">
      <div className="mx-auto max-w-4xl space-y-6 px-4 py-6 sm:px-8 sm:py-9">
        <div className="flex flex-wrap items-end justify-between gap-4">
          <div className="min-w-0">
            <h1 className="text-[1.625rem]">{title}</h1>
            {lead && <div className="mt-1.5 text-ink-soft">{lead}</div>}
          </div>
          {actions}
        </div>
        {children}
      </div>
    </div>
  )
}

export function EmptyState({ title, children }: { title: string; children: ReactNode }) {
  return (
    <div className="px-5 py-10 text-center">
      <p className="font-medium">{title}</p>
      <div className="mx-auto mt-1 max-w-sm text-sm text-ink-faint">{children}</div>
    </div>
  )
}
