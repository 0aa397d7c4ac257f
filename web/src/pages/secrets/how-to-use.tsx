import { Card } from '../../ui/card.tsx'
import { CodeBlock } from '../../ui/copy.tsx'
import { referenceTo } from './words.ts'

/** How a secret is used once it is here, with the name of one that is. */
export function HowToUse({ name }: { name: string }) {
  return (
    <Card title="How to use one">
      <div className="grid gap-x-8 gap-y-4 md:grid-cols-2">
        <div className="min-w-0">
          <h3 className="text-sm">In OpenClaw’s configuration</h3>
          <p className="mt-1 text-sm text-ink-soft">
            Wherever it takes a secret, for example as the token of a channel. It is read from memory, and a
            new value is picked up without a restart.
          </p>
          <CodeBlock code={referenceTo(name)} />
        </div>
        <div className="min-w-0">
          <h3 className="text-sm">In commands of the agent</h3>
          <p className="mt-1 text-sm text-ink-soft">
            Only when it is shown to commands: each command that the agent runs then has it as an environment
            variable. The logs show its name in place of the value.
          </p>
          <CodeBlock code={`curl https://… \\\n  -H "authorization: Bearer $${name}"`} />
        </div>
      </div>
    </Card>
  )
}
