import { useQuery } from '@tanstack/react-query'
import { pricesQuery } from '../../api/credits.ts'
import { infoQuery } from '../../api/queries.ts'
import type { PriceList } from '../../api/types.ts'
import { Card, EmptyState } from '../../ui/card.tsx'
import { amountText } from '../../ui/credits.ts'
import { ErrorNotice } from '../../ui/notice.tsx'
import { SkeletonRows } from '../../ui/skeleton.tsx'

export function PricesPage() {
  const prices = useQuery(pricesQuery)
  if (prices.error) return <ErrorNotice error={prices.error} onRetry={() => void prices.refetch()} />
  if (!prices.data) return <SkeletonRows />
  return (
    <>
      <ModelPrices prices={prices.data.prices} />
      <PlanPrices prices={prices.data.prices} />
      <p className="text-sm text-ink-faint">
        Price list {prices.data.version}. Every charge says at which list it was made; a new list never
        changes what was charged before.
      </p>
    </>
  )
}

const cell = 'py-2.5 pr-4 text-right tabular-nums'
const head = `${cell} font-normal`

function ModelPrices({ prices }: { prices: PriceList }) {
  const info = useQuery(infoQuery)
  const models = Object.entries(prices.models)
  return (
    <Card title="Models" description="Credits per million tokens." flush>
      {models.length === 0 && (
        <EmptyState title="No model has a price">
          Models without one cannot be called; operators set them.
        </EmptyState>
      )}
      {models.length > 0 && (
        <div className="overflow-x-auto">
          <table className="w-full text-sm" aria-label="Prices of models">
            <thead>
              <tr className="border-b border-line text-[0.8125rem] text-ink-faint">
                <th className="py-2.5 pr-4 pl-5 text-left font-normal">Model</th>
                <th className={head}>Read</th>
                <th className={head}>Read from cache</th>
                <th className={head}>Written to cache</th>
                <th className={head}>Written</th>
              </tr>
            </thead>
            <tbody className="divide-y divide-line">
              {models.map(([model, price]) => (
                <tr key={model}>
                  <th scope="row" className="py-2.5 pr-4 pl-5 text-left font-medium">
                    {model}
                    {info.data?.model === model && (
                      <span className="font-normal text-ink-faint"> (yours)</span>
                    )}
                  </th>
                  <td className={cell}>{amountText(price.input)}</td>
                  <td className={cell}>{amountText(price.cachedInput)}</td>
                  <td className={cell}>{amountText(price.cacheWriteInput)}</td>
                  <td className={cell}>
                    {amountText(price.output)}
                    {price.reasoning !== price.output && (
                      <span className="block text-[0.8125rem] text-ink-faint">
                        reasoning {amountText(price.reasoning)}
                      </span>
                    )}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </Card>
  )
}

function PlanPrices({ prices }: { prices: PriceList }) {
  return (
    <Card
      title="Instances"
      description="Credits per hour, charged by the second. Starting is free, and so is whatever was never yours."
      flush
    >
      <div className="overflow-x-auto">
        <table className="w-full text-sm" aria-label="Prices of instances">
          <thead>
            <tr className="border-b border-line text-[0.8125rem] text-ink-faint">
              <th className="py-2.5 pr-4 pl-5 text-left font-normal">Plan</th>
              <th className={head}>Running</th>
              <th className={head}>Asleep in memory</th>
              <th className={head}>Stored</th>
            </tr>
          </thead>
          <tbody className="divide-y divide-line">
            {Object.entries(prices.plans).map(([plan, price]) => (
              <tr key={plan}>
                <th scope="row" className="py-2.5 pr-4 pl-5 text-left font-medium">
                  {plan.replaceAll('_', ' ')}
                </th>
                <td className={cell}>{amountText(price.running)}</td>
                <td className={cell}>{amountText(price.suspended)}</td>
                <td className={cell}>{amountText(price.stored)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Card>
  )
}
