import type { ReactNode } from 'react'
import type { Credits } from '../../api/types.ts'
import { Card } from '../../ui/card.tsx'
import { amountText, creditsText } from '../../ui/credits.ts'
import { useNow } from '../../ui/time.tsx'
import { lastsText, zeroText } from './words.ts'

export function BalanceCard({ credits }: { credits: Credits }) {
  const nowMs = useNow(10_000)
  const owned = credits.availableMicros + credits.reservedMicros
  return (
    <Card title="Balance">
      <dl className="grid grid-cols-2 gap-x-6 gap-y-5 sm:grid-cols-4">
        <Figure
          label="Balance"
          value={amountText(owned)}
          note={
            credits.reservedMicros > 0
              ? `${amountText(credits.reservedMicros)} of it held for what runs`
              : 'credits'
          }
        />
        <Figure label="Burns" value={amountText(credits.burnMicrosPerHour)} note="credits per hour" />
        <Figure label="Lasts" value={lastsText(credits, nowMs)} note={lastsNote(credits)} />
        <Figure label="Spent" value={amountText(credits.spentMicros)} note="credits so far" />
      </dl>
      {credits.frozenMicros > 0 && (
        <p className="mt-4 text-sm text-ink-soft">
          {creditsText(credits.frozenMicros)} are held back while a payment is disputed.
        </p>
      )}
      <p className="mt-5 border-t border-line pt-4 text-sm text-ink-soft">{zeroText}</p>
    </Card>
  )
}

function Figure({ label, value, note }: { label: string; value: ReactNode; note: string }) {
  return (
    <div className="min-w-0">
      <dt className="text-[0.8125rem] text-ink-faint">{label}</dt>
      <dd className="mt-0.5 text-xl font-semibold tabular-nums">{value}</dd>
      <dd className="text-[0.8125rem] text-ink-faint">{note}</dd>
    </div>
  )
}

const untilFormat = new Intl.DateTimeFormat('en', { dateStyle: 'medium', timeStyle: 'short' })

function lastsNote({ lastsUntil }: Credits): string {
  return lastsUntil ? `until ${untilFormat.format(new Date(lastsUntil))}` : 'nothing is being spent'
}
