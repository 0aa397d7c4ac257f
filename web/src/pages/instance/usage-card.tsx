import { useQuery } from '@tanstack/react-query'
import { lazy, Suspense, useState } from 'react'
import { samplesQuery } from '../../api/queries.ts'
import type { Instance, Sample } from '../../api/types.ts'
import { bytesText } from '../../ui/bytes.ts'
import { Card, EmptyState } from '../../ui/card.tsx'
import { Choice } from '../../ui/choice.tsx'
import { ErrorNotice } from '../../ui/notice.tsx'
import { Skeleton } from '../../ui/skeleton.tsx'

const Chart = lazy(async () => ({ default: (await import('./chart.tsx')).Chart }))

const spans = [
  { value: 15, label: '15 min' },
  { value: 60, label: '1 h' },
  { value: 360, label: '6 h' },
  { value: 1440, label: '24 h' },
]

/** Memory and processor over time. The newest values come live with the instance, the curve by polling. */
export function UsageCard({ instance }: { instance: Instance }) {
  const [minutes, setMinutes] = useState(15)
  const samples = useQuery(samplesQuery(instance.id, minutes))
  return (
    <Card
      title="Memory and processor"
      actions={<Choice label="Time span" options={spans} value={minutes} onChange={setMinutes} />}
    >
      {samples.error && <ErrorNotice error={samples.error} onRetry={() => void samples.refetch()} />}
      {samples.isPending && <Skeleton className="h-44 w-full" />}
      {samples.data && samples.data.length < 2 && (
        <EmptyState title="Nothing measured yet">
          While it runs, a figure comes every few seconds; after two of them there is a curve.
        </EmptyState>
      )}
      {samples.data && samples.data.length >= 2 && (
        <Suspense fallback={<Skeleton className="h-44 w-full" />}>
          <Charts samples={samples.data} instance={instance} minutes={minutes} />
        </Suspense>
      )}
    </Card>
  )
}

function Charts({ samples, instance, minutes }: { samples: Sample[]; instance: Instance; minutes: number }) {
  const last = samples.at(-1)
  return (
    <div className="grid gap-x-8 gap-y-6 md:grid-cols-2">
      <Chart
        title="Memory"
        now={bytesText(instance.memoryBytes ?? last?.memoryBytes ?? 0)}
        color="--color-lagoon"
        minutes={minutes}
        points={samples.map(({ at, memoryBytes }) => [at, memoryBytes / 1024 ** 2])}
        unit="MiB"
      />
      <Chart
        title="Processor"
        now={`${Math.round(instance.cpuPercent ?? last?.cpuPercent ?? 0)} % of a core`}
        color="--color-coral"
        minutes={minutes}
        points={samples.map(({ at, cpuPercent }) => [at, cpuPercent])}
        unit="%"
      />
    </div>
  )
}
