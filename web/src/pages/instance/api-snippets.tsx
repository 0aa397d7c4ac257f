import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import { infoQuery } from '../../api/queries.ts'
import { paths } from '../../paths.ts'
import { Card } from '../../ui/card.tsx'
import { Choice } from '../../ui/choice.tsx'
import { CodeBlock } from '../../ui/copy.tsx'
import { linkClass } from '../enter/enter-frame.tsx'

type Language = 'curl' | 'openai'

const languages: { value: Language; label: string }[] = [
  { value: 'curl', label: 'curl' },
  { value: 'openai', label: 'OpenAI client (JavaScript)' },
]

/** How one's own code talks to this instance. */
export function ApiSnippets() {
  const info = useQuery(infoQuery)
  const [language, setLanguage] = useState<Language>('curl')
  if (!info.data) return null
  const baseUrl = `${info.data.proxyUrl.replace(/\/$/, '')}/v1`
  return (
    <Card
      title="Use it from your code"
      description={
        <>
          Any OpenAI client works.{' '}
          <Link {...paths.apiKeys()} className={linkClass}>
            Create an API key
          </Link>{' '}
          with the scope chat and put it in the place of oc_….
        </>
      }
    >
      <div className="flex">
        <Choice label="Language" options={languages} value={language} onChange={setLanguage} />
      </div>
      <CodeBlock code={language === 'curl' ? curl(baseUrl) : openai(baseUrl)} />
    </Card>
  )
}

function curl(baseUrl: string): string {
  return `curl ${baseUrl}/chat/completions \\
  -H 'authorization: Bearer oc_…' \\
  -H 'content-type: application/json' \\
  -d '{"model": "openclaw", "messages": [{"role": "user", "content": "Hello"}]}'`
}

function openai(baseUrl: string): string {
  return `import OpenAI from 'openai'

const openai = new OpenAI({ baseURL: '${baseUrl}', apiKey: 'oc_…' })

const stream = await openai.chat.completions.create({
  model: 'openclaw',
  messages: [{ role: 'user', content: 'Hello' }],
  stream: true,
})
for await (const chunk of stream) process.stdout.write(chunk.choices[0]?.delta?.content ?? '')`
}
