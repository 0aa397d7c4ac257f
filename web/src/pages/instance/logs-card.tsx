import { Pause, Play, Search } from 'lucide-react'
import { useEffect, useState } from 'react'
import { realtime } from '../../api/live.ts'
import { Button } from '../../ui/button.tsx'
import { Card } from '../../ui/card.tsx'
import { cn } from '../../ui/class-names.ts'
import { inputClass } from '../../ui/field.tsx'
import { useStickToBottom } from '../chat/use-stick-to-bottom.ts'
import { appendLines, matchingLines, type NumberedLine } from './log-lines.ts'

export function LogsCard({ instanceId }: { instanceId: string }) {
  const [search, setSearch] = useState('')
  const [frozen, setFrozen] = useState<NumberedLine[]>()
  const live = useLogLines(instanceId)
  const lines = matchingLines(frozen ?? live, search)
  const missed = frozen ? (live.at(-1)?.number ?? 0) - (frozen.at(-1)?.number ?? 0) : 0
  return (
    <Card
      title="Logs"
      flush
      actions={
        <>
          <div className="relative">
            <Search size={14} className="pointer-events-none absolute top-2.5 left-2.5 text-ink-faint" />
            <input
              type="search"
              aria-label="Search logs"
              placeholder="Search"
              value={search}
              onChange={(event) => setSearch(event.target.value)}
              className={cn(inputClass, 'h-8 w-44 pl-8 text-[0.8125rem]')}
            />
          </div>
          {frozen ? (
            <Button size="small" icon={<Play size={14} />} onClick={() => setFrozen(undefined)}>
              {missed > 0 ? `Resume (${missed} new)` : 'Resume'}
            </Button>
          ) : (
            <Button size="small" icon={<Pause size={14} />} onClick={() => setFrozen(live)}>
              Pause
            </Button>
          )}
        </>
      }
    >
      <Lines lines={lines} search={search.trim()} empty={emptyText(live.length > 0)} />
    </Card>
  )
}

function useLogLines(instanceId: string): NumberedLine[] {
  const [lines, setLines] = useState<NumberedLine[]>([])
  useEffect(
    () =>
      realtime.subscribe('logs', instanceId, {
        logs: (added, fresh) => setLines((held) => appendLines(held, added, fresh)),
      }),
    [instanceId],
  )
  return lines
}

function emptyText(anyLines: boolean): string {
  return anyLines ? 'No line has that in it.' : 'No lines yet. They appear here as the instance writes them.'
}

function Lines({ lines, search, empty }: { lines: NumberedLine[]; search: string; empty: string }) {
  const { scroller, content } = useStickToBottom<HTMLDivElement>()
  return (
    <section
      ref={scroller}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable with the keyboard.
      tabIndex={0}
      aria-label="Log lines"
      className="h-80 overflow-auto bg-sunken px-5 py-3 font-mono text-[0.78125rem] leading-[1.7] focus-visible:-outline-offset-2"
    >
      <div ref={content}>
        {lines.length === 0 && <p className="py-8 text-center font-sans text-sm text-ink-faint">{empty}</p>}
        {lines.map((line) => (
          <div
            key={line.number}
            className="flex gap-3 whitespace-pre-wrap wrap-anywhere [content-visibility:auto]"
          >
            <time dateTime={line.at} className="shrink-0 text-ink-faint select-none">
              {clock(line.at)}
            </time>
            <span className={cn('min-w-0', line.source === 'supervisor' && 'text-lagoon')}>
              <Marked text={line.text} search={search} />
            </span>
          </div>
        ))}
      </div>
    </section>
  )
}

function Marked({ text, search }: { text: string; search: string }) {
  const at = search ? text.toLowerCase().indexOf(search.toLowerCase()) : -1
  if (at === -1) return text
  return (
    <>
      {text.slice(0, at)}
      <mark className="rounded-xs bg-coral/35 text-inherit">{text.slice(at, at + search.length)}</mark>
      {text.slice(at + search.length)}
    </>
  )
}

const clockFormat = new Intl.DateTimeFormat('en-GB', { timeStyle: 'medium' })
function clock(at: string): string {
  return clockFormat.format(new Date(at))
}
