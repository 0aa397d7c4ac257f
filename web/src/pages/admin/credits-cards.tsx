import { useMutation, useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { call } from '../../api/client.ts'
import type { LedgerReport } from '../../api/types.ts'
import { Button } from '../../ui/button.tsx'
import { Card } from '../../ui/card.tsx'
import { amountText } from '../../ui/credits.ts'
import { ErrorNotice, Notice } from '../../ui/notice.tsx'
import { RelativeTime } from '../../ui/time.tsx'
import { countText } from '../backups/words.ts'
import { GrantForm } from '../credits/grant-form.tsx'
import { PriceEditor } from './price-editor.tsx'
import { adminPricesQuery } from './queries.ts'

/** What operators do about credits: give them, price what they buy, and prove that none were lost. */
export function CreditsCards() {
  return (
    <>
      <Card
        title="Grant credits"
        description="To any organization, without payment. It shows in their statement."
      >
        <GrantForm />
      </Card>
      <PricesCard />
      <LedgerCard />
    </>
  )
}

function PricesCard() {
  const prices = useQuery(adminPricesQuery)
  const [editing, setEditing] = useState(false)
  const current = prices.data?.versions.find(({ version }) => version === prices.data.currentVersion)
  const toCome = prices.data?.versions.filter(({ effectiveFrom }) => Date.parse(effectiveFrom) > Date.now())
  return (
    <Card
      title="Prices"
      description="A list is never changed: publish a new one, and what is used from then on costs that."
      actions={
        current &&
        !editing && (
          <Button size="small" onClick={() => setEditing(true)}>
            Change prices
          </Button>
        )
      }
    >
      {prices.error && <ErrorNotice error={prices.error} onRetry={() => void prices.refetch()} />}
      {prices.data && prices.data.unpricedModels.length > 0 && (
        <Notice tone="warn" className="mb-4">
          Without a price these models are refused: {prices.data.unpricedModels.join(', ')}.
        </Notice>
      )}
      {current && (
        <p className="text-sm text-ink-soft">
          List {current.version} is in force since <RelativeTime at={current.effectiveFrom} />, with{' '}
          {Object.keys(current.prices.models).length} models.
          {toCome?.map(({ version, effectiveFrom }) => (
            <span key={version}>
              {' '}
              List {version} follows <RelativeTime at={effectiveFrom} />.
            </span>
          ))}
        </p>
      )}
      {current && editing && (
        <PriceEditor
          prices={current.prices}
          unpricedModels={prices.data?.unpricedModels ?? []}
          onDone={() => setEditing(false)}
        />
      )}
    </Card>
  )
}

function LedgerCard() {
  const verify = useMutation({
    meta: { showsError: true },
    mutationFn: () => call<LedgerReport>('POST', '/api/admin/ledger/verify'),
  })
  return (
    <Card
      title="Ledger"
      description="Does every transfer again and compares with balances, reservations and the anchors outside of the database."
      actions={
        <Button size="small" pending={verify.isPending} onClick={() => verify.mutate()}>
          Verify the ledger
        </Button>
      }
    >
      {verify.error && <ErrorNotice error={verify.error} />}
      {verify.data ? (
        <Report report={verify.data} />
      ) : (
        <p className="text-sm text-ink-faint">Reads all of it; with many transfers this takes a while.</p>
      )}
    </Card>
  )
}

function Report({ report }: { report: LedgerReport }) {
  const { totalsMicros: totals } = report
  const scope = `${countText(report.transfers, 'transfer', 'transfers')} of ${countText(report.organizations, 'organization', 'organizations')} and ${countText(report.anchors, 'anchor', 'anchors')} in ${report.seconds.toFixed(1)} s`
  return (
    <div className="space-y-4" role="status">
      {report.ok ? (
        <Notice tone="good">The ledger is right: {scope}.</Notice>
      ) : (
        <Notice tone="bad">
          <p className="font-medium">
            The ledger is wrong in {countText(report.problemsCount, 'place', 'places')} ({scope}).
          </p>
          <p>Keep the database as it is, take a copy, and compare with your backups.</p>
          <ul className="mt-2 list-disc pl-5">
            {report.problems.map((problem) => (
              <li key={`${problem.kind} ${problem.organizationId} ${problem.sequence} ${problem.message}`}>
                {problem.organizationId && (
                  <code className="font-mono text-xs">{problem.organizationId} </code>
                )}
                {problem.message}
              </li>
            ))}
          </ul>
        </Notice>
      )}
      <dl className="grid grid-cols-2 gap-x-6 gap-y-3 text-sm sm:grid-cols-4">
        <Total label="Granted" micros={totals.granted} />
        <Total label="Bought" micros={totals.purchased} />
        <Total label="Written off" micros={totals.writtenOff} />
        <Total label="Spent" micros={totals.spent} />
        <Total label="Available" micros={totals.available} />
        <Total label="Held" micros={totals.reserved} />
        <Total label="Frozen" micros={totals.frozen} />
        <Total label="Refunded" micros={totals.refunded} />
      </dl>
    </div>
  )
}

function Total({ label, micros }: { label: string; micros: number }) {
  return (
    <div>
      <dt className="text-[0.8125rem] text-ink-faint">{label}</dt>
      <dd className="font-semibold tabular-nums">{amountText(micros)}</dd>
    </div>
  )
}
