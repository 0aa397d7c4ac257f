import { Check, Copy } from 'lucide-react'
import { useEffect, useState } from 'react'
import { Button, IconButton } from './button.tsx'
import { showDone } from './toast.tsx'

function useCopy(text: string) {
  const [copied, setCopied] = useState(false)
  useEffect(() => {
    if (!copied) return
    const timer = setTimeout(() => setCopied(false), 1_600)
    return () => clearTimeout(timer)
  }, [copied])
  const copy = async () => {
    // Browsers offer the clipboard in secure contexts only; the text can then still be selected by hand.
    if (!navigator.clipboard)
      return showDone('This browser does not let a page copy here. Select the text instead.')
    await navigator.clipboard.writeText(text)
    setCopied(true)
  }
  return { copied, copy }
}

export function CopyIconButton({
  text,
  label,
  className,
}: {
  text: string
  label: string
  className?: string
}) {
  const { copied, copy } = useCopy(text)
  return (
    <IconButton label={copied ? 'Copied' : label} onClick={copy} className={className}>
      {copied ? <Check size={15} className="text-good" /> : <Copy size={15} />}
    </IconButton>
  )
}

export function CopyButton({ text, children }: { text: string; children: string }) {
  const { copied, copy } = useCopy(text)
  return (
    <Button
      size="small"
      onClick={copy}
      icon={copied ? <Check size={15} className="text-good" /> : <Copy size={15} />}
    >
      {copied ? 'Copied' : children}
    </Button>
  )
}

/** Code on its own ground with a copy button. */
export function CodeBlock({ code, label }: { code: string; label?: string }) {
  return (
    <div className="group relative my-3 overflow-hidden rounded-[0.625rem] border border-line bg-sunken">
      {label && <div className="px-4 pt-2.5 text-xs text-ink-faint">{label}</div>}
      <pre className="overflow-x-auto px-4 py-3 font-mono text-[0.8125rem] leading-relaxed">
        <code>{code}</code>
      </pre>
      <CopyIconButton
        text={code}
        label="Copy code"
        className="absolute top-1.5 right-1.5 bg-sunken opacity-0 group-hover:opacity-100 focus-visible:opacity-100 [@media(hover:none)]:opacity-100"
      />
    </div>
  )
}
