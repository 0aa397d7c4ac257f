import { useEffect, useRef } from 'react'
import UPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'
import { useIsDark } from '../../app/theme.ts'
import { resolvedColor } from '../../ui/canvas-color.ts'
import { amountText, creditsText } from '../../ui/credits.ts'
import type { StackedUsage } from './usage-stack.ts'

const height = 240
const microsPerCredit = 1_000_000
/** Told apart in light and dark, and by people who see no red or no green. */
const colors = [
  '--color-lagoon',
  '--color-coral',
  '--color-warn',
  '--color-good',
  '--color-bad',
  '--color-ink-faint',
]

/** Bars of days, stacked. A picture only: the tables below it say the same. */
export function UsageChart({ stacked, title }: { stacked: StackedUsage; title: string }) {
  const frame = useRef<HTMLDivElement>(null)
  const dark = useIsDark()

  // biome-ignore lint/correctness/useExhaustiveDependencies: a canvas has to be drawn anew in other colours.
  useEffect(() => {
    const element = frame.current
    if (!element) return
    const plot = new UPlot(options(element, stacked), dataOf(stacked), element)
    const observer = new ResizeObserver(() => plot.setSize({ width: element.clientWidth, height }))
    observer.observe(element)
    return () => {
      observer.disconnect()
      plot.destroy()
    }
  }, [stacked, dark])

  return (
    <figure aria-label={`${title}: ${summary(stacked)}`}>
      <div ref={frame} aria-hidden="true" />
      <ul className="mt-2 flex flex-wrap gap-x-5 gap-y-1 text-[0.8125rem] text-ink-soft" aria-hidden="true">
        {stacked.series.map(({ key, label }, index) => (
          <li key={key} className="flex items-center gap-1.5">
            <span className="size-2.5 rounded-[3px]" style={{ background: `var(${colorAt(index)})` }} />
            {label}
          </li>
        ))}
      </ul>
    </figure>
  )
}

function summary({ days, series }: StackedUsage): string {
  const totals = days.map((_day, index) => series.reduce((sum, one) => sum + (one.costMicros[index] ?? 0), 0))
  const most = Math.max(...totals)
  return `at most ${creditsText(most)} in a day, ${days[totals.indexOf(most)]}`
}

function colorAt(index: number): string {
  return colors[index] ?? '--color-ink-faint'
}

/** Each series reaches from zero to the sum of itself and those below it; the highest is drawn first. */
function dataOf({ days, series }: StackedUsage): UPlot.AlignedData {
  const sums = days.map(() => 0)
  const stacked = series.map(({ costMicros }) =>
    costMicros.map((micros, index) => {
      sums[index] = (sums[index] ?? 0) + micros / microsPerCredit
      return sums[index]
    }),
  )
  return [days.map((day) => Date.parse(`${day}T00:00:00Z`) / 1000), ...stacked.reverse()]
}

const dayFormat = new Intl.DateTimeFormat('en', { day: 'numeric', month: 'short', timeZone: 'UTC' })

function options(element: HTMLElement, { series }: StackedUsage): UPlot.Options {
  const axis = {
    stroke: resolvedColor(element, '--color-ink-faint'),
    grid: { stroke: resolvedColor(element, '--color-line'), width: 1 },
    ticks: { show: false },
    font: `11px ${getComputedStyle(element).fontFamily}`,
  }
  const bars = UPlot.paths.bars?.({ size: [0.7, 48], radius: 0.15 })
  return {
    width: element.clientWidth,
    height,
    padding: [8, 8, 0, 0],
    legend: { show: false },
    cursor: { show: false },
    // Half a day on each side, so that the first and the last bar are whole.
    scales: {
      x: { time: true, range: (_plot, min, max) => [min - 43_200, max + 43_200] },
      y: { range: (_plot, _min, max) => [0, max > 0 ? max * 1.1 : 1] },
    },
    tzDate: (seconds) => UPlot.tzDate(new Date(seconds * 1000), 'UTC'),
    axes: [
      {
        ...axis,
        size: 26,
        space: 56,
        grid: { show: false },
        incrs: [1, 2, 5, 7, 14, 30].map((days) => days * 86_400),
        values: (_plot, ticks) => ticks.map((seconds) => dayFormat.format(seconds * 1000)),
      },
      {
        ...axis,
        size: 62,
        values: (_plot, ticks) => ticks.map((credits) => amountText(Math.round(credits * microsPerCredit))),
      },
    ],
    series: [
      {},
      ...series
        .map((_one, index) => {
          const color = resolvedColor(element, colorAt(index))
          return {
            stroke: color,
            fill: color,
            width: 0,
            points: { show: false },
            ...(bars ? { paths: bars } : {}),
          }
        })
        .reverse(),
    ],
  }
}
