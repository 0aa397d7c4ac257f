import { lazy, Suspense } from 'react'
import { cn } from '../../ui/class-names.ts'

const MarkdownTokens = lazy(async () => ({ default: (await import('./markdown-tokens.tsx')).MarkdownTokens }))

interface MarkdownProps {
  text: string
  /** More is coming: a mark stands at the end. */
  growing?: boolean
}

/** An answer. The parser loads with the first one; until then its plain text can already be read. */
export function Markdown({ text, growing = false }: MarkdownProps) {
  return (
    <div className={cn('prose', growing && 'prose-growing')}>
      <Suspense fallback={<p className="whitespace-pre-wrap">{text}</p>}>
        <MarkdownTokens text={text} />
      </Suspense>
    </div>
  )
}
