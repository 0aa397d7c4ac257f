import { ChevronsUpDown } from 'lucide-react'
import type { ComponentProps } from 'react'
import type { User } from '../api/types.ts'

/** What the account menu looks like before it is opened; the menu behind it loads a moment later. */
export function UserButton({ user, ...rest }: { user: User } & ComponentProps<'button'>) {
  return (
    <button
      {...rest}
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
  )
}

function initials(name: string): string {
  const words = name.trim().split(/\s+/)
  return [words[0], words.length > 1 ? words.at(-1) : undefined]
    .map((word) => word?.charAt(0).toUpperCase() ?? '')
    .join('')
}
