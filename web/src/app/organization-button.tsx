import { Building2, ChevronsUpDown, User } from 'lucide-react'
import type { ComponentProps } from 'react'
import type { Me } from '../api/types.ts'

/** What the organization menu looks like before it is opened; the menu behind it loads a moment later. */
export function OrganizationButton({
  organization,
  ...rest
}: { organization: Me['organization'] } & ComponentProps<'button'>) {
  return (
    <button
      {...rest}
      type="button"
      aria-label={`Organization: ${organization.name}`}
      className="flex h-10 w-full items-center gap-2.5 rounded-control border border-line bg-surface px-2.5 text-left text-sm shadow-card transition-colors hover:border-line-strong"
    >
      <span className="text-ink-faint">
        {organization.personal ? <User size={16} /> : <Building2 size={16} />}
      </span>
      <span className="min-w-0 flex-1 truncate font-medium">{organization.name}</span>
      <ChevronsUpDown size={15} className="text-ink-faint" />
    </button>
  )
}
