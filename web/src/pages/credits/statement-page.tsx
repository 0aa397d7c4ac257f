import { useInfiniteQuery, useMutation } from '@tanstack/react-query'
import { Download } from 'lucide-react'
import { useDeferredValue, useState } from 'react'
import { downloadStatement, type StatementFilter, statementQuery } from '../../api/credits.ts'
import type { LedgerEntry } from '../../api/types.ts'
import { Button } from '../../ui/button.tsx'
import { Card, EmptyState } from '../../ui/card.tsx'
import { amountText, changeText } from '../../ui/credits.ts'
import { SelectField, TextField } from '../../ui/field.tsx'
import { ErrorNotice } from '../../ui/notice.tsx'
import { ShowOlder } from '../../ui/show-older.tsx'
import { SkeletonRows } from '../../ui/skeleton.tsx'
import { absoluteTime } from '../../ui/time.tsx'
import { entryText, kindText } from './words.ts'

/** Everything that happened to the credits, to be searched and taken away. */
export function StatementPage() {
  const [filter, setFilter] = useState<StatementFilter>({})
  // The list follows the typing instead of holding it up.
  const asked = useDeferredValue(filter)
  const statement = useInfiniteQuery(statementQuery(asked))
  const download = useMutation({ mutationFn: () => downloadStatement(filter) })
  const entries = statement.data?.pages.flatMap((page) => page.entries) ?? []
  const filtered = Object.values(filter).some(Boolean)
  return (
    <Card
      title="Statement"
      description="Nothing in it is ever changed or deleted."
      flush
      actions={
        <Button
          size="small"
          icon={<Download size={14} />}
          pending={download.isPending}
          onClick={() => download.mutate()}
        >
          Download CSV
        </Button>
      }
    >
      <Filters filter={filter} onChange={(change) => setFilter({ ...filter, ...change })} />
      {statement.error && (
        <ErrorNotice error={statement.error} onRetry={() => void statement.refetch()} className="m-5" />
      )}
      {statement.isPending && <SkeletonRows rows={5} />}
      {statement.data && entries.length === 0 && (
        <EmptyState title={filtered ? 'Nothing like this' : 'Nothing has happened yet'}>
          {filtered
            ? 'Search for something else, or for a longer time.'
            : 'Whatever comes and goes is listed here.'}
        </EmptyState>
      )}
      {entries.length > 0 && <EntryTable entries={entries} />}
      <ShowOlder pages={statement} />
    </Card>
  )
}

function Filters({
  filter,
  onChange,
}: {
  filter: StatementFilter
  onChange: (change: StatementFilter) => void
}) {
  return (
    <search className="grid grid-cols-2 gap-3 border-b border-line p-5 sm:grid-cols-[1fr_10rem_9.5rem_9.5rem]">
      <TextField
        label="Search"
        type="search"
        placeholder="A note or a payment"
        value={filter.search ?? ''}
        onChange={(event) => onChange({ search: event.target.value })}
      />
      <SelectField
        label="Kind"
        value={filter.kind ?? ''}
        onChange={(event) =>
          // The options below are these kinds and nothing else.
          onChange({ kind: (event.target.value || undefined) as StatementFilter['kind'] })
        }
      >
        <option value="">All</option>
        {Object.entries(kindText).map(([kind, text]) => (
          <option key={kind} value={kind}>
            {text}
          </option>
        ))}
      </SelectField>
      <TextField
        label="From"
        type="date"
        value={filter.from ?? ''}
        onChange={(event) => onChange({ from: event.target.value || undefined })}
      />
      <TextField
        label="To"
        type="date"
        value={filter.to ?? ''}
        onChange={(event) => onChange({ to: event.target.value || undefined })}
      />
      <label className="col-span-2 flex items-center gap-2 text-sm text-ink-soft">
        <input
          type="checkbox"
          checked={filter.holds ?? false}
          onChange={(event) => onChange({ holds: event.target.checked })}
        />
        With what was only held
      </label>
    </search>
  )
}

function EntryTable({ entries }: { entries: LedgerEntry[] }) {
  return (
    <div className="overflow-x-auto">
      <table className="w-full text-sm" aria-label="Statement">
        <thead>
          <tr className="border-b border-line text-[0.8125rem] text-ink-faint">
            <th className="py-2 pr-4 pl-5 text-left font-normal">When</th>
            <th className="py-2 pr-4 text-left font-normal">What</th>
            <th className="py-2 pr-4 text-right font-normal">Credits</th>
            <th className="py-2 pr-5 text-right font-normal">Balance</th>
          </tr>
        </thead>
        <tbody className="divide-y divide-line">
          {entries.map((entry) => (
            <EntryRow key={entry.sequence} entry={entry} />
          ))}
        </tbody>
      </table>
    </div>
  )
}

function EntryRow({ entry }: { entry: LedgerEntry }) {
  const text = entryText(entry)
  const onlyHeld = entry.amountMicros === 0 && entry.heldMicros !== 0
  return (
    <tr title={entry.key}>
      <td className="py-2.5 pr-4 pl-5 align-top text-ink-faint sm:whitespace-nowrap">
        <time dateTime={entry.at}>{absoluteTime(entry.at)}</time>
      </td>
      <td className="max-w-72 py-2.5 pr-4 align-top wrap-break-word">
        <span className="font-medium">{kindText[entry.kind]}</span>
        {text && <span className="text-ink-soft"> · {text}</span>}
        {entry.writtenOffMicros > 0 && (
          <span className="block text-[0.8125rem] text-ink-faint">
            {amountText(entry.writtenOffMicros)} more than there was; you owe nothing for it
          </span>
        )}
      </td>
      <td className="py-2.5 pr-4 text-right align-top tabular-nums whitespace-nowrap">
        {onlyHeld ? (
          <span className="text-ink-faint">({amountText(Math.abs(entry.heldMicros))})</span>
        ) : (
          changeText(entry.amountMicros)
        )}
      </td>
      <td className="py-2.5 pr-5 text-right align-top text-ink-soft tabular-nums whitespace-nowrap">
        {entry.balanceMicros === null ? '' : amountText(entry.balanceMicros)}
      </td>
    </tr>
  )
}
