import { useNavigate } from '@tanstack/react-router'
import { lazy, Suspense, useEffect, useState } from 'react'
import type { Me } from '../api/types.ts'
import { paths } from '../paths.ts'
import { useShortcut } from './shortcuts.ts'

const CommandPalette = lazy(async () => ({ default: (await import('./command-palette.tsx')).CommandPalette }))

const openEvent = 'reef:open-command-palette'

export function openCommandPalette(): void {
  document.dispatchEvent(new Event(openEvent))
}

/** Listens for the shortcuts that work on every page; the palette itself loads when it is first opened. */
export function CommandPaletteHost({ me }: { me: Me }) {
  const [open, setOpen] = useState(false)
  const navigate = useNavigate()
  useShortcut({ key: 'k' }, () => setOpen((now) => !now))
  useShortcut({ key: 'o', shift: true }, () => void navigate(paths.chat()))
  useEffect(() => {
    const onOpen = () => setOpen(true)
    document.addEventListener(openEvent, onOpen)
    return () => document.removeEventListener(openEvent, onOpen)
  }, [])
  if (!open) return null
  return (
    <Suspense>
      <CommandPalette me={me} onClose={() => setOpen(false)} />
    </Suspense>
  )
}
