import { useEffect, useRef } from 'react'

const isMac = /Mac|iPhone|iPad/.test(navigator.platform)

/** How a shortcut is written on this machine: "⌘K" or "Ctrl K". */
export function shortcutText(key: string, shift = false): string {
  return isMac ? `${shift ? '⇧' : ''}⌘${key}` : `Ctrl ${shift ? 'Shift ' : ''}${key}`
}

interface Shortcut {
  key: string
  shift?: boolean
}

/** Calls `action` on Ctrl/Cmd with that key, wherever the focus is. */
export function useShortcut({ key, shift = false }: Shortcut, action: () => void): void {
  const latest = useRef(action)
  latest.current = action
  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent) => {
      const modifier = isMac ? event.metaKey : event.ctrlKey
      if (!modifier || event.altKey || event.shiftKey !== shift || event.key.toLowerCase() !== key) return
      event.preventDefault()
      latest.current()
    }
    document.addEventListener('keydown', onKeyDown)
    return () => document.removeEventListener('keydown', onKeyDown)
  }, [key, shift])
}
