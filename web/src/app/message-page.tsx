import type { ReactNode } from 'react'
import { Atoll } from '../ui/atoll.tsx'

/** A page that has one thing to say and offers the way on. */
export function MessagePage({
  title,
  children,
  actions,
}: {
  title: string
  children: ReactNode
  actions: ReactNode
}) {
  return (
    <main className="flex min-h-full flex-col items-center justify-center px-6 py-16 text-center">
      <Atoll size={52} className="mb-6 text-line-strong" />
      <h1 className="text-2xl">{title}</h1>
      <div className="mt-2 max-w-md text-ink-soft">{children}</div>
      <div className="mt-6 flex flex-wrap justify-center gap-2">{actions}</div>
    </main>
  )
}
