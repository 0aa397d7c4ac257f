import { ArrowUp, Square } from 'lucide-react'
import { useEffect, useRef } from 'react'
import { cn } from '../../ui/class-names.ts'

interface ComposerProps {
  draft: string
  onDraft: (text: string) => void
  onSend: (text: string) => void
  /** An answer is under way: nothing can be sent, but it can be stopped. */
  busy: boolean
  stopping?: boolean
  onStop?: () => void
}

const roundButton =
  'flex size-9 shrink-0 items-center justify-center rounded-full transition-colors disabled:opacity-35 disabled:pointer-events-none'

export function Composer({ draft, onDraft, onSend, busy, stopping, onStop }: ComposerProps) {
  const input = useRef<HTMLTextAreaElement>(null)
  useSlashFocus(input)
  // Where there is no hover there is a keyboard on the screen, which must not jump up by itself.
  useEffect(() => {
    if (matchMedia('(hover: hover)').matches) input.current?.focus()
  }, [])

  const send = () => {
    const text = draft.trim()
    if (text && !busy) onSend(text)
  }
  const onKeyDown = (event: React.KeyboardEvent) => {
    // Enter that ends the composition of a character (Japanese, Chinese, ...) must not send.
    if (event.key !== 'Enter' || event.shiftKey || event.nativeEvent.isComposing) return
    event.preventDefault()
    send()
  }
  return (
    <form
      aria-label="Composer"
      className="mx-auto w-full max-w-3xl px-4 pb-[max(1rem,env(safe-area-inset-bottom))] sm:px-6"
      onSubmit={(event) => {
        event.preventDefault()
        send()
      }}
    >
      <div className="flex items-end gap-2 rounded-3xl border border-line-strong/70 bg-surface py-1.5 pr-1.5 pl-5 shadow-card transition-colors focus-within:border-lagoon">
        <textarea
          ref={input}
          aria-label="Message"
          rows={1}
          value={draft}
          onChange={(event) => onDraft(event.target.value)}
          onKeyDown={onKeyDown}
          maxLength={100_000}
          placeholder="Message your OpenClaw"
          className="max-h-[40vh] min-h-9 flex-1 resize-none bg-transparent py-1.5 leading-6 outline-none field-sizing-content"
        />
        {busy && onStop ? (
          <button
            type="button"
            aria-label="Stop"
            title="Stop the answer"
            disabled={stopping}
            onClick={onStop}
            className={cn(roundButton, 'bg-primary text-on-primary hover:bg-primary-hover')}
          >
            <Square size={13} fill="currentColor" />
          </button>
        ) : (
          <button
            type="submit"
            aria-label="Send"
            title="Send (Enter)"
            disabled={busy || draft.trim() === ''}
            className={cn(roundButton, 'bg-primary text-on-primary hover:bg-primary-hover')}
          >
            <ArrowUp size={18} />
          </button>
        )}
      </div>
      <p className="mt-1.5 hidden text-center text-xs text-ink-faint sm:block">
        Enter sends, Shift+Enter begins a new line
      </p>
    </form>
  )
}

/** "/" goes to the message from anywhere that does not take text itself. */
function useSlashFocus(input: React.RefObject<HTMLTextAreaElement | null>): void {
  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent) => {
      const target = event.target as HTMLElement
      if (event.key !== '/' || event.ctrlKey || event.metaKey) return
      if (target.matches('input, textarea, select, [contenteditable]')) return
      event.preventDefault()
      input.current?.focus()
    }
    document.addEventListener('keydown', onKeyDown)
    return () => document.removeEventListener('keydown', onKeyDown)
  }, [input])
}
