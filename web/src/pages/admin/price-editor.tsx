import { useMutation, useQueryClient } from '@tanstack/react-query'
import { type FormEvent, useState } from 'react'
import { call } from '../../api/client.ts'
import { creditsKey } from '../../api/credits.ts'
import type { PriceList, PriceVersions } from '../../api/types.ts'
import { Button } from '../../ui/button.tsx'
import { cn } from '../../ui/class-names.ts'
import { inputClass } from '../../ui/field.tsx'
import { ErrorNotice, Notice } from '../../ui/notice.tsx'
import { showDone } from '../../ui/toast.tsx'
import { draftOf, listOf, modelParts, type PriceDraft, planParts } from './price-draft.ts'
import { adminPricesQuery } from './queries.ts'

const partText = {
  input: 'Read',
  cachedInput: 'From cache',
  cacheWriteInput: 'To cache',
  output: 'Written',
  reasoning: 'Reasoning',
  running: 'Running',
  suspended: 'Asleep',
  stored: 'Stored',
}

interface PriceEditorProps {
  prices: PriceList
  unpricedModels: readonly string[]
  onDone: () => void
}

/** A new list, begun as the one in force. */
export function PriceEditor({ prices, unpricedModels, onDone }: PriceEditorProps) {
  const client = useQueryClient()
  const [draft, setDraft] = useState<PriceDraft>(() => draftOf(prices, unpricedModels))
  const read = listOf(draft)
  const publish = useMutation({
    meta: { showsError: true },
    mutationFn: (list: PriceList) =>
      call<PriceVersions>('POST', '/api/admin/prices', { body: { prices: list } }),
    onSuccess: async (answer) => {
      client.setQueryData(adminPricesQuery.queryKey, answer)
      showDone('The new prices are in force.')
      onDone()
      await client.invalidateQueries({ queryKey: creditsKey })
    },
  })
  const submit = (event: FormEvent) => {
    event.preventDefault()
    if ('prices' in read) publish.mutate(read.prices)
  }
  return (
    <form onSubmit={submit} className="mt-5 space-y-6">
      <PriceTable
        title="Models, credits per million tokens"
        parts={modelParts}
        rows={draft.models}
        onChange={(name, price) => setDraft({ ...draft, models: { ...draft.models, [name]: price } })}
      />
      <PriceTable
        title="Plans, credits per hour"
        parts={planParts}
        rows={draft.plans}
        onChange={(name, price) => setDraft({ ...draft, plans: { ...draft.plans, [name]: price } })}
      />
      {'wrong' in read && (
        <Notice tone="warn">{read.wrong} is no price. Write credits, with at most six decimals.</Notice>
      )}
      {publish.error && <ErrorNotice error={publish.error} />}
      <div className="flex gap-2">
        <Button type="submit" variant="primary" disabled={'wrong' in read} pending={publish.isPending}>
          Publish prices
        </Button>
        <Button onClick={onDone}>Cancel</Button>
      </div>
    </form>
  )
}

interface PriceTableProps<Part extends string> {
  title: string
  parts: readonly Part[]
  rows: Record<string, Record<Part, string>>
  onChange: (name: string, price: Record<Part, string>) => void
}

function PriceTable<Part extends keyof typeof partText>(props: PriceTableProps<Part>) {
  const { title, parts, rows, onChange } = props
  return (
    <div className="overflow-x-auto">
      <table className="w-full text-sm" aria-label={title}>
        <caption className="pb-1 text-left font-medium">{title}</caption>
        <thead>
          <tr className="text-[0.8125rem] text-ink-faint">
            <th className="text-left font-normal">
              <span className="sr-only">Name</span>
            </th>
            {parts.map((part) => (
              <th key={part} className="pb-1 text-left font-normal">
                {partText[part]}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {Object.entries<Record<Part, string>>(rows).map(([name, price]) => (
            <tr key={name}>
              <th scope="row" className="py-1 pr-3 text-left font-normal whitespace-nowrap">
                {name}
              </th>
              {parts.map((part) => (
                <td key={part} className="py-1 pr-2">
                  <input
                    aria-label={`${name}, ${partText[part]}`}
                    inputMode="decimal"
                    className={cn(inputClass, 'h-8 w-24 text-right tabular-nums')}
                    value={price[part]}
                    onChange={(event) => onChange(name, { ...price, [part]: event.target.value })}
                  />
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}
