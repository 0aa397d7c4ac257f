import { type ReactNode, useEffect, useState } from 'react'
import type { ConversationMessage } from '../../api/types.ts'
import { Atoll } from '../../ui/atoll.tsx'
import { CopyIconButton } from '../../ui/copy.tsx'
import { Markdown } from './markdown.tsx'
import { ToolCallView } from './tool-call-view.tsx'

export function MessageView({ message }: { message: ConversationMessage }) {
  if (message.role === 'user') return <UserMessage text={message.text} />
  return (
    <AssistantMessage copyText={message.text}>
      {message.tools.map((tool) => (
        <ToolCallView key={tool.id} tool={tool} />
      ))}
      {message.text && <Markdown text={message.text} />}
    </AssistantMessage>
  )
}

export function UserMessage({ text }: { text: string }) {
  return (
    <article aria-label="You" className="flex justify-end">
      <div className="max-w-[85%] rounded-2xl rounded-br-md bg-lagoon-soft px-4 py-2.5 whitespace-pre-wrap wrap-break-word">
        {text}
      </div>
    </article>
  )
}

export function AssistantMessage({ children, copyText }: { children: ReactNode; copyText?: string }) {
  return (
    <article aria-label="OpenClaw" className="group/message flex gap-3.5">
      <Atoll size={24} className="mt-px hidden shrink-0 text-ink-faint sm:block" />
      <div className="min-w-0 flex-1 space-y-3">
        {children}
        {copyText && (
          // Takes no room of its own: it stands in the gap before the next message.
          <div className="-mt-2 h-0">
            <CopyIconButton
              text={copyText}
              label="Copy answer"
              className="-ml-2 size-7.5 opacity-0 group-hover/message:opacity-100 focus-visible:opacity-100 [@media(hover:none)]:opacity-60"
            />
          </div>
        )}
      </div>
    </article>
  )
}

/** After this long without a sign of life a person wonders. */
const slowMs = 6_000

export function Thinking() {
  const [slow, setSlow] = useState(false)
  useEffect(() => {
    const timer = setTimeout(() => setSlow(true), slowMs)
    return () => clearTimeout(timer)
  }, [])
  return (
    <div role="status" aria-label="OpenClaw is thinking" className="flex items-center gap-3.5">
      <Atoll size={24} progress={0} className="animate-spin [animation-duration:2.4s]" />
      {slow && (
        <span className="animate-rise text-sm text-ink-faint">
          Still at it. The first answer after a start takes the longest.
        </span>
      )}
    </div>
  )
}
