import { Dialog } from '@base-ui/react/dialog'
import { useState } from 'react'
import type { Me } from '../api/types.ts'
import { cn } from '../ui/class-names.ts'
import { backdropClass } from '../ui/dialog.tsx'
import { type Command, matchCommands, useCommands } from './commands.tsx'

export function CommandPalette({ me, onClose }: { me: Me; onClose: () => void }) {
  const [text, setText] = useState('')
  const [chosen, setChosen] = useState(0)
  const found = matchCommands(useCommands(me), text)
  const active = Math.min(chosen, found.length - 1)

  const run = (command: Command | undefined) => {
    if (!command) return
    onClose()
    command.run()
  }
  const onKeyDown = (event: React.KeyboardEvent) => {
    if (event.key === 'ArrowDown') setChosen((active + 1) % Math.max(1, found.length))
    else if (event.key === 'ArrowUp') setChosen((active - 1 + found.length) % Math.max(1, found.length))
    else if (event.key === 'Enter') run(found[active])
    else return
    event.preventDefault()
  }

  return (
    <Dialog.Root open onOpenChange={(open) => !open && onClose()}>
      <Dialog.Portal>
        <Dialog.Backdrop className={backdropClass} />
        <Dialog.Popup
          aria-label="Commands"
          className="fixed top-[12vh] left-1/2 z-40 w-[calc(100vw-2rem)] max-w-lg -translate-x-1/2 overflow-hidden rounded-2xl bg-raised shadow-float outline-none"
        >
          <input
            role="combobox"
            aria-label="Search commands"
            aria-expanded="true"
            aria-controls="command-list"
            aria-activedescendant={found[active] ? `command-${found[active].id}` : undefined}
            placeholder="Go to, start, switch…"
            value={text}
            onChange={(event) => {
              setText(event.target.value)
              setChosen(0)
            }}
            onKeyDown={onKeyDown}
            className="h-13 w-full border-b border-line bg-transparent px-5 text-base outline-none"
          />
          <div
            id="command-list"
            role="listbox"
            aria-label="Commands"
            className="max-h-[50vh] overflow-y-auto p-2"
          >
            {found.map((command, index) => (
              <CommandRow
                key={command.id}
                command={command}
                active={index === active}
                onHover={() => setChosen(index)}
                onRun={() => run(command)}
              />
            ))}
            {found.length === 0 && (
              <p className="px-3 py-6 text-center text-sm text-ink-faint">Nothing is called that.</p>
            )}
          </div>
        </Dialog.Popup>
      </Dialog.Portal>
    </Dialog.Root>
  )
}

interface CommandRowProps {
  command: Command
  active: boolean
  onHover: () => void
  onRun: () => void
}

function CommandRow({ command, active, onHover, onRun }: CommandRowProps) {
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the combobox above holds the focus and takes the keys.
    <div
      id={`command-${command.id}`}
      role="option"
      tabIndex={-1}
      aria-selected={active}
      onMouseMove={onHover}
      onClick={onRun}
      className={cn(
        'flex h-10 cursor-default items-center gap-3 rounded-lg px-3 text-sm',
        active && 'bg-hover',
      )}
      ref={(element) => {
        if (active) element?.scrollIntoView({ block: 'nearest' })
      }}
    >
      <span className={active ? 'text-coral-ink' : 'text-ink-faint'}>{command.icon}</span>
      <span className="min-w-0 flex-1 truncate">{command.label}</span>
      {command.hint && <kbd className="font-sans text-xs text-ink-faint">{command.hint}</kbd>}
    </div>
  )
}
