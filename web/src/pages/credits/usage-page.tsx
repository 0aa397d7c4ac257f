import { useQuery } from '@tanstack/react-query'
import { lazy, Suspense, useState } from 'react'
import { usageQuery } from '../../api/credits.ts'
import type { Usage, UsageGrouping } from '../../api/types.ts'
import { useMe } from '../../app/use-me.ts'
import { Card, EmptyState } from '../../ui/card.tsx'
import { Choice } from '../../ui/choice.tsx'
import { amountText, countText, creditsText, timeText } from '../../ui/credits.ts'
import { ErrorNotice } from '../../ui/notice.tsx'
import { Skeleton } from '../../ui/skeleton.tsx'
import { mayAdministrate } from '../settings/permissions.ts'
import { type StackedUsage, stackUsage, type UsageGroup } from './usage-stack.ts'
import { groupingText } from './words.ts'

const UsageChart = lazy(async () => ({ default: (await import('./usage-chart.tsx')).UsageChart }))

const spans = [
  { value: 7, label: '7 days' },
  { value: 30, label: '30 days' },
  { value: 90, label: '90 days' },
]
const groupings = (['model', 'instance', 'member'] as const).map((value) => ({
  value,
  label: groupingText[value],
}))

export function UsagePage() {
  const { organization } = useMe()
  const [days, setDays] = useState(30)
  const [by2, setBy2] = useState<UsageGrouping>('model')
  const usage = useQuery(usageQuery({ from: dayBefore(days - 1), by2 }))
  const all = mayAdministrate(organization)
  return (
    <Card
      title="Usage"
      description={all ? 'Days are UTC.' : 'What you used yourself. Days are UTC.'}
      actions={
        <>
          <Choice label="Stacked by" options={groupings} value={by2} onChange={setBy2} />
          <Choice label="Time span" options={spans} value={days} onChange={setDays} />
        </>
      }
    >
      {usage.error && <ErrorNotice error={usage.error} onRetry={() => void usage.refetch()} />}
      {usage.isPending && <Skeleton className="h-64 w-full" />}
      {usage.data && usage.data.rows.length === 0 && (
        <EmptyState title="Nothing was used in this time">
          Every model call shows here a moment after it, running time within minutes.
        </EmptyState>
      )}
      {/* While another grouping is on its way, what is there is still grouped by the one before. */}
      {usage.data && usage.data.rows.length > 0 && (
        <Figures usage={usage.data} by2={usage.data.by[1] ?? by2} />
      )}
    </Card>
  )
}

function Figures({ usage, by2 }: { usage: Usage; by2: UsageGrouping }) {
  const stacked = stackUsage(usage, by2)
  const { total } = usage
  return (
    <>
      <p className="mb-4 text-sm text-ink-soft">
        <span className="text-xl font-semibold text-ink tabular-nums">{creditsText(total.costMicros)}</span>{' '}
        for {countText(total.calls)} {total.calls === 1 ? 'model call' : 'model calls'} (
        {amountText(total.modelCostMicros)}) and {timeText(total.runningSeconds)} of running (
        {amountText(total.runtimeCostMicros)}).
      </p>
      <Suspense fallback={<Skeleton className="h-64 w-full" />}>
        <UsageChart stacked={stacked} title={`Credits by day and ${groupingText[by2].toLowerCase()}`} />
      </Suspense>
      <GroupTable groups={stacked.groups} heading={groupingText[by2]} />
      <DayTable stacked={stacked} />
    </>
  )
}

const cell = 'py-2 pr-4 text-right tabular-nums whitespace-nowrap'
const firstCell = 'py-2 pr-4 text-left font-normal'

function GroupTable({ groups, heading }: { groups: UsageGroup[]; heading: string }) {
  return (
    <div className="mt-6 overflow-x-auto">
      <table className="w-full text-sm" aria-label={`Usage by ${heading.toLowerCase()}`}>
        <thead>
          <tr className="border-b border-line text-[0.8125rem] text-ink-faint">
            <th className={firstCell}>{heading}</th>
            <th className={`${cell} font-normal`}>Credits</th>
            <th className={`${cell} font-normal`}>Calls</th>
            <th className={`${cell} font-normal`}>Tokens read</th>
            <th className={`${cell} font-normal`}>Tokens written</th>
            <th className={`${cell} font-normal`}>Running</th>
          </tr>
        </thead>
        <tbody className="divide-y divide-line">
          {groups.map((group) => (
            <tr key={group.key}>
              <th scope="row" className={`${firstCell} font-medium`}>
                {group.label}
              </th>
              <td className={cell}>{amountText(group.costMicros)}</td>
              <td className={cell}>{group.calls ? countText(group.calls) : '—'}</td>
              <td className={cell}>{group.calls ? countText(group.inputTokens) : '—'}</td>
              <td className={cell}>{group.calls ? countText(group.outputTokens) : '—'}</td>
              <td className={cell}>{group.seconds ? timeText(group.seconds) : '—'}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}

/** What the chart shows, for who does not see it and for who wants the exact figures. */
function DayTable({ stacked: { days, series } }: { stacked: StackedUsage }) {
  return (
    <details className="mt-4 text-sm">
      <summary className="cursor-pointer text-ink-soft">The figures of each day</summary>
      <div className="mt-2 overflow-x-auto">
        <table className="w-full" aria-label="Credits by day">
          <thead>
            <tr className="border-b border-line text-[0.8125rem] text-ink-faint">
              <th className={firstCell}>Day</th>
              {series.map(({ key, label }) => (
                <th key={key} className={`${cell} font-normal`}>
                  {label}
                </th>
              ))}
            </tr>
          </thead>
          <tbody className="divide-y divide-line">
            {days
              .map((day, index) => ({ day, index }))
              .filter(({ index }) => series.some(({ costMicros }) => costMicros[index]))
              .reverse()
              .map(({ day, index }) => (
                <tr key={day}>
                  <th scope="row" className={`${firstCell} whitespace-nowrap`}>
                    {day}
                  </th>
                  {series.map(({ key, costMicros }) => (
                    <td key={key} className={cell}>
                      {amountText(costMicros[index] ?? 0)}
                    </td>
                  ))}
                </tr>
              ))}
          </tbody>
        </table>
      </div>
    </details>
  )
}

function dayBefore(days: number): string {
  return new Date(Date.now() - days * 86_400_000).toISOString().slice(0, 10)
}
