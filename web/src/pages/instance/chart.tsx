import { useEffect, useRef } from 'react'
import UPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'
import { useIsDark } from '../../app/theme.ts'
import { resolvedColor } from '../../ui/canvas-color.ts'

interface ChartProps {
  title: string
  /** The newest value, in words. */
  now: string
  /** Name of one of our colour tokens. */
  color: string
  minutes: number
  unit: string
  points: [at: string, value: number][]
}

const height = 150

export function Chart({ title, now, color, minutes, unit, points }: ChartProps) {
  const frame = useRef<HTMLDivElement>(null)
  const plot = useRef<UPlot>(undefined)
  const dark = useIsDark()

  // biome-ignore lint/correctness/useExhaustiveDependencies: a canvas has to be drawn anew in other colours.
  useEffect(() => {
    const element = frame.current
    if (!element) return
    const drawn = new UPlot(options(element, color, unit), [[], []], element)
    plot.current = drawn
    const observer = new ResizeObserver(() => drawn.setSize({ width: element.clientWidth, height }))
    observer.observe(element)
    return () => {
      observer.disconnect()
      drawn.destroy()
    }
  }, [color, unit, dark])

  // biome-ignore lint/correctness/useExhaustiveDependencies: the new canvas of other colours needs its data too.
  useEffect(() => {
    plot.current?.setData(withGaps(points, minutes))
  }, [points, minutes, dark])

  const peak = Math.max(...points.map(([, value]) => value))
  return (
    <figure aria-label={`${title}: now ${now}, at most ${Math.round(peak)} ${unit} in this time`}>
      <figcaption className="mb-2 flex items-baseline justify-between text-sm">
        <span className="text-ink-soft">{title}</span>
        <span className="font-semibold tabular-nums">{now}</span>
      </figcaption>
      <div ref={frame} aria-hidden="true" />
    </figure>
  )
}

/** Where nothing was measured for longer than this many usual intervals, the line breaks instead of lying. */
const gapIntervals = 5

function withGaps(points: ChartProps['points'], minutes: number): UPlot.AlignedData {
  const times = points.map(([at]) => Date.parse(at) / 1000)
  const steps = times.slice(1).map((time, index) => time - (times[index] ?? time))
  const usual = steps.toSorted((a, b) => a - b)[Math.floor(steps.length / 2)] ?? 1
  const xs: number[] = []
  const ys: (number | null)[] = []
  points.forEach(([, value], index) => {
    const time = times[index] ?? 0
    const before = times[index - 1]
    if (before !== undefined && time - before > usual * gapIntervals) {
      xs.push(before + usual)
      ys.push(null)
    }
    xs.push(time)
    ys.push(value)
  })
  // The axis spans the time asked for, or what there is of it, but never so little that a moment fills it.
  const nowSeconds = Date.now() / 1000
  const start = Math.max(nowSeconds - minutes * 60, Math.min(times[0] ?? nowSeconds, nowSeconds - 120))
  if (xs[0] !== undefined && xs[0] > start) {
    xs.unshift(start)
    ys.unshift(null)
  }
  return [xs, ys]
}

function options(element: HTMLElement, color: string, unit: string): UPlot.Options {
  const stroke = resolvedColor(element, color)
  const axis = {
    stroke: resolvedColor(element, '--color-ink-faint'),
    grid: { stroke: resolvedColor(element, '--color-line'), width: 1 },
    ticks: { show: false },
    font: `11px ${getComputedStyle(element).fontFamily}`,
  }
  return {
    width: element.clientWidth,
    height,
    padding: [8, 4, 0, 0],
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false }, points: { size: 7 } },
    scales: { y: { range: (_plot, _min, max) => [0, Math.max(max * 1.15, 1)] } },
    axes: [
      { ...axis, size: 26, grid: { show: false }, values: clockTicks },
      { ...axis, size: 62, values: (_plot, ticks) => ticks.map((tick) => `${tick} ${unit}`) },
    ],
    series: [
      {},
      {
        stroke,
        width: 1.75,
        fill: (drawn) => fade(drawn, stroke),
        points: { show: false },
      },
    ],
  }
}

const minuteFormat = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' })
const secondFormat = new Intl.DateTimeFormat('en-GB', { timeStyle: 'medium' })

/** Seconds only where two marks would otherwise read the same. */
function clockTicks(_plot: UPlot, ticks: number[]): string[] {
  const [first = 0, second = 60] = ticks
  const format = second - first < 60 ? secondFormat : minuteFormat
  return ticks.map((seconds) => format.format(seconds * 1000))
}

function fade(drawn: UPlot, color: string): CanvasGradient {
  const gradient = drawn.ctx.createLinearGradient(0, drawn.bbox.top, 0, drawn.bbox.top + drawn.bbox.height)
  gradient.addColorStop(0, `color-mix(in srgb, ${color} 26%, transparent)`)
  gradient.addColorStop(1, `color-mix(in srgb, ${color} 1%, transparent)`)
  return gradient
}
