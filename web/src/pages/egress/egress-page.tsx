import { useQuery } from '@tanstack/react-query'
import type { Instance } from '../../api/types.ts'
import { useMe } from '../../app/use-me.ts'
import { Card } from '../../ui/card.tsx'
import { ErrorNotice, Notice } from '../../ui/notice.tsx'
import { SkeletonRows } from '../../ui/skeleton.tsx'
import { DeniedCard } from './denied-card.tsx'
import { ModeCard } from './mode-card.tsx'
import { egressQuery } from './queries.ts'
import { RulesCard } from './rules-card.tsx'

export function EgressPage() {
  const { instance } = useMe()
  return instance && <EgressOf key={instance.id} instance={instance} />
}

function EgressOf({ instance }: { instance: Instance }) {
  const egress = useQuery(egressQuery(instance.id))
  if (egress.isPending)
    return (
      <Card title="Egress" flush>
        <SkeletonRows />
      </Card>
    )
  if (!egress.data) return <ErrorNotice error={egress.error} onRetry={() => void egress.refetch()} />
  return (
    <>
      {!egress.data.enforced && <Notice tone="warn">{egress.data.notice}</Notice>}
      {egress.error && <ErrorNotice error={egress.error} onRetry={() => void egress.refetch()} />}
      <ModeCard instanceId={instance.id} egress={egress.data} />
      <DeniedCard instanceId={instance.id} egress={egress.data} />
      <RulesCard instanceId={instance.id} egress={egress.data} />
    </>
  )
}
