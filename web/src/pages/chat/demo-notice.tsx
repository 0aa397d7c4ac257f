import { useQuery } from '@tanstack/react-query'
import { X } from 'lucide-react'
import { useState } from 'react'
import { infoQuery } from '../../api/queries.ts'
import { IconButton } from '../../ui/button.tsx'
import { Notice } from '../../ui/notice.tsx'

const storageKey = 'reef.demo-notice-dismissed'

/** The line that turns the demo into the real thing. */
const realKeyCommand = 'OPENAI_API_KEY=sk-… npm start'

export function DemoNotice() {
  const info = useQuery(infoQuery)
  const [dismissed, setDismissed] = useState(() => sessionStorage.getItem(storageKey) !== null)
  if (!info.data?.demo || dismissed) return null
  const dismiss = () => {
    sessionStorage.setItem(storageKey, 'yes')
    setDismissed(true)
  }
  return (
    <div className="mx-auto w-full max-w-3xl px-4 pb-1 sm:px-6">
      <Notice
        action={
          <IconButton label="Dismiss" onClick={dismiss} className="-my-1 -mr-1.5 size-7.5">
            <X size={15} />
          </IconButton>
        }
      >
        The built-in demo model answers; its words are scripted, its tool calls are real. For a real model,
        restart Reef with a key:{' '}
        <code className="font-mono text-[0.8125rem] font-semibold">{realKeyCommand}</code>
      </Notice>
    </div>
  )
}
