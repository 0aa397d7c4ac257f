import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { Coins } from 'lucide-react'
import { creditsQuery } from '../api/credits.ts'
import { paths } from '../paths.ts'
import { cn } from '../ui/class-names.ts'
import { amountText } from '../ui/credits.ts'

/** What there is, in a few characters; in the colour of trouble when it stopped something. */
export function CreditsAmount({ className }: { className?: string }) {
  const { data } = useQuery(creditsQuery(false))
  if (!data) return null
  return (
    <span
      className={cn(
        'text-xs tabular-nums',
        data.hold === 'credits' ? 'text-bad' : 'text-ink-faint',
        className,
      )}
    >
      {amountText(data.availableMicros + data.reservedMicros)}
    </span>
  )
}

/** At the top on a phone, where the navigation is folded away. */
export function CreditsChip() {
  return (
    <Link
      {...paths.credits()}
      className="ml-auto flex h-8 items-center gap-1.5 rounded-control px-2.5 text-ink-soft hover:bg-hover"
    >
      <Coins size={16} />
      <span className="sr-only">Credits</span>
      <CreditsAmount className="text-sm" />
    </Link>
  )
}
