import { useEffect, useState } from 'react'

const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto' })
const absolute = new Intl.DateTimeFormat('en', { dateStyle: 'medium', timeStyle: 'short' })

/** "8 Feb 2026, 14:05", for what has to be told apart. */
export function absoluteTime(at: string): string {
  return absolute.format(new Date(at))
}

const units = [
  ['year', 31_536_000],
  ['month', 2_592_000],
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
] as const

const clockSkewSeconds = 5

function relativeTime(at: string, nowMs: number): string {
  const seconds = (Date.parse(at) - nowMs) / 1000
  for (const [unit, length] of units)
    if (Math.abs(seconds) >= length) return relative.format(Math.trunc(seconds / length), unit)
  // The server's clock may be a little ahead of this one.
  return seconds > clockSkewSeconds ? 'in a moment' : 'just now'
}

/** "3 minutes ago", with the exact time in the tooltip. */
export function RelativeTime({ at }: { at: string }) {
  useNow(30_000)
  // Not the tick's own time: what has just happened would lie in its future.
  const nowMs = Date.now()
  return (
    <time dateTime={at} title={absoluteTime(at)}>
      {relativeTime(at, nowMs)}
    </time>
  )
}

/** The current time, renewed at that interval. */
export function useNow(intervalMs: number): number {
  const [nowMs, setNowMs] = useState(Date.now)
  useEffect(() => {
    const timer = setInterval(() => setNowMs(Date.now()), intervalMs)
    return () => clearInterval(timer)
  }, [intervalMs])
  return nowMs
}

export function durationText(ms: number): string {
  const seconds = Math.max(0, ms) / 1000
  if (seconds < 10) return `${seconds.toFixed(1)} s`
  if (seconds < 60) return `${Math.round(seconds)} s`
  return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`
}
