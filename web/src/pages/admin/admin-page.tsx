import { useQuery } from '@tanstack/react-query'
import type { ReactNode } from 'react'
import type { Overview } from '../../api/types.ts'
import { Card, EmptyState, Page } from '../../ui/card.tsx'
import { ErrorNotice, Notice } from '../../ui/notice.tsx'
import { SkeletonRows } from '../../ui/skeleton.tsx'
import { RelativeTime } from '../../ui/time.tsx'
import { CreditsCards } from './credits-cards.tsx'
import { HostList } from './host-list.tsx'
import { OperatorsCard } from './operators-card.tsx'
import { PaymentCards } from './payment-cards.tsx'
import { overviewQuery } from './queries.ts'

/** What an operator sees of the whole Reef; nobody else can open it. */
export function AdminPage() {
  const overview = useQuery(overviewQuery)
  return (
    <Page title="Admin" lead="Of this whole Reef, all organizations together.">
      {overview.isPending && <SkeletonRows />}
      {overview.error && <ErrorNotice error={overview.error} onRetry={() => void overview.refetch()} />}
      {overview.data && <Sections overview={overview.data} />}
      <CreditsCards />
      <PaymentCards />
      <OperatorsCard />
    </Page>
  )
}

function Sections({ overview }: { overview: Overview }) {
  return (
    <>
      <Figures overview={overview} />
      {overview.hostsProblem && (
        <Notice tone="bad">The hosts could not be asked: {overview.hostsProblem}</Notice>
      )}
      {overview.hosts.length > 0 && <HostList hosts={overview.hosts} />}
      <QueueCard queue={overview.queue} />
      <ProblemsCard problems={overview.problems} />
      <ControlPlanesCard controlPlanes={overview.controlPlanes} />
    </>
  )
}

function Figures({ overview }: { overview: Overview }) {
  const count = (status: string) => overview.instances.find((row) => row.status === status)?.count ?? 0
  const total = overview.instances.reduce((sum, row) => sum + row.count, 0)
  const { pool } = overview
  return (
    <Card>
      <dl className="grid grid-cols-2 gap-x-6 gap-y-5 sm:grid-cols-4">
        <Figure
          label="Instances"
          value={total}
          note={`${count('running')} run, ${count('suspended')} sleep`}
        />
        <Figure
          label="Warm pool"
          value={`${pool.available} of ${pool.wanted}`}
          note={pool.booting > 0 ? `${pool.booting} booting` : 'ready to be claimed'}
        />
        <Figure label="In the queue" value={overview.queue.length} note="wait for room" />
        <Figure
          label="Driver"
          value={overview.driver}
          note={`${overview.controlPlanes.length} control ${overview.controlPlanes.length === 1 ? 'plane' : 'planes'}`}
        />
      </dl>
    </Card>
  )
}

function Figure({ label, value, note }: { label: string; value: ReactNode; note: string }) {
  return (
    <div>
      <dt className="text-[0.8125rem] text-ink-faint">{label}</dt>
      <dd className="mt-0.5 text-xl font-semibold tabular-nums">{value}</dd>
      <dd className="text-[0.8125rem] text-ink-faint">{note}</dd>
    </div>
  )
}

function QueueCard({ queue }: { queue: Overview['queue'] }) {
  return (
    <Card title="Queue" description="People first, then the pool; whoever has waited longest is next." flush>
      {queue.length === 0 ? (
        <EmptyState title="Nobody waits">Every machine that was asked for has found room.</EmptyState>
      ) : (
        <ol className="divide-y divide-line">
          {queue.map((entry, index) => (
            <li key={entry.instanceId ?? `pool-${index}`} className="flex gap-4 px-5 py-3 text-sm">
              <span className="w-6 text-ink-faint tabular-nums">{index + 1}</span>
              <span className="min-w-0 flex-1 truncate">
                {entry.instanceName ? (
                  <>
                    <span className="font-medium">{entry.instanceName}</span> of {entry.organizationName}
                  </>
                ) : (
                  'A slot of the pool'
                )}
              </span>
              <span className="text-ink-faint">
                since <RelativeTime at={entry.waitingSince} />
              </span>
            </li>
          ))}
        </ol>
      )}
    </Card>
  )
}

function ProblemsCard({ problems }: { problems: Overview['problems'] }) {
  return (
    <Card title="Problems" description="Instances that do not run although their owners want them to." flush>
      {problems.length === 0 ? (
        <EmptyState title="No problems">Every instance is as its owner wants it.</EmptyState>
      ) : (
        <ul className="divide-y divide-line">
          {problems.map((problem) => (
            <li key={problem.instanceId} className="space-y-0.5 px-5 py-3 text-sm">
              <p className="flex gap-3">
                <span className="min-w-0 flex-1 truncate">
                  <span className="font-medium">{problem.instanceName}</span> of {problem.organizationName}
                </span>
                <span className="text-ink-faint">
                  <RelativeTime at={problem.since} />
                </span>
              </p>
              <p className="text-ink-soft">{problem.message}</p>
            </li>
          ))}
        </ul>
      )}
    </Card>
  )
}

function ControlPlanesCard({ controlPlanes }: { controlPlanes: Overview['controlPlanes'] }) {
  return (
    <Card title="Control planes" flush>
      <ul className="divide-y divide-line">
        {controlPlanes.map((node) => (
          <li key={node.id} className="flex flex-wrap gap-x-4 px-5 py-3 text-sm">
            <span className="min-w-0 flex-1 truncate font-mono text-[0.8125rem]">{node.specVersion}</span>
            <span className="text-ink-faint">
              started <RelativeTime at={node.startedAt} />, last seen <RelativeTime at={node.heartbeatAt} />
            </span>
          </li>
        ))}
      </ul>
    </Card>
  )
}
