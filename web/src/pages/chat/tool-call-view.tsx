import { Check, ChevronRight, X } from 'lucide-react'
import { useId, useState } from 'react'
import type { ToolCall } from '../../api/types.ts'
import { cn } from '../../ui/class-names.ts'
import { inputSummary, prettyInput } from './tool-input.ts'

/** A tool call in one line; unfolded, what went in and what came out. */
export function ToolCallView({ tool }: { tool: ToolCall }) {
  const [open, setOpen] = useState(false)
  const id = useId()
  const running = tool.output === null
  return (
    <div className="overflow-hidden rounded-[0.625rem] border border-line bg-surface text-sm">
      <button
        type="button"
        aria-label={`Tool ${tool.name}, ${running ? 'running' : tool.failed ? 'failed' : 'done'}`}
        aria-expanded={open}
        aria-controls={id}
        onClick={() => setOpen(!open)}
        className="flex h-9.5 w-full items-center gap-2.5 px-3 text-left transition-colors hover:bg-hover focus-visible:-outline-offset-2"
      >
        <ChevronRight
          size={15}
          className={cn('shrink-0 text-ink-faint transition-transform', open && 'rotate-90')}
        />
        <span className="font-mono text-[0.8125rem] font-semibold">{tool.name}</span>
        <span className="min-w-0 flex-1 truncate font-mono text-[0.8125rem] text-ink-faint">
          {inputSummary(tool.input)}
        </span>
        {running && <span className="size-2 animate-breathe rounded-full bg-coral" />}
        {!running &&
          (tool.failed ? <X size={15} className="text-bad" /> : <Check size={15} className="text-good" />)}
      </button>
      {open && (
        <div id={id} className="space-y-3 border-t border-line bg-sunken px-3.5 py-3">
          <Part title="Input" text={prettyInput(tool.input)} />
          {!running && (
            <Part title={tool.failed ? 'Failed with' : 'Output'} text={tool.output ?? ''} bad={tool.failed} />
          )}
        </div>
      )}
    </div>
  )
}

function Part({ title, text, bad }: { title: string; text: string; bad?: boolean }) {
  return (
    <div>
      <div className="mb-1 text-xs font-medium text-ink-faint">{title}</div>
      <pre
        className={cn(
          'max-h-80 overflow-auto font-mono text-[0.8125rem] leading-relaxed whitespace-pre-wrap wrap-break-word',
          bad && 'text-bad',
        )}
      >
        {text || '(nothing)'}
      </pre>
    </div>
  )
}
