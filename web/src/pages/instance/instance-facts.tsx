import { useQuery } from '@tanstack/react-query'
import type { ReactNode } from 'react'
import { infoQuery } from '../../api/queries.ts'
import type { Instance } from '../../api/types.ts'
import { Card } from '../../ui/card.tsx'
import { CopyIconButton } from '../../ui/copy.tsx'
import { RelativeTime } from '../../ui/time.tsx'

const isolationText: Record<Instance['isolation'], string> = {
  none: 'no isolation',
  container: 'a container of its own',
  vm: 'a virtual machine of its own',
}

export function InstanceFacts({ instance }: { instance: Instance }) {
  const info = useQuery(infoQuery)
  return (
    <Card title="Facts">
      <dl className="grid grid-cols-2 gap-x-6 gap-y-4">
        <Fact label="Address" wide>
          <span className="flex items-center gap-1">
            <span className="min-w-0 truncate font-mono text-[0.8125rem]">{instance.url}</span>
            <CopyIconButton text={instance.url} label="Copy address" className="-my-1.5 size-7.5" />
          </span>
        </Fact>
        <Fact label="Running since">
          {instance.runningSince ? <RelativeTime at={instance.runningSince} /> : 'Not running'}
        </Fact>
        <Fact label="Created">
          <RelativeTime at={instance.createdAt} />
        </Fact>
        <Fact label="OpenClaw">{instance.openclawVersion ?? 'Known once it has started'}</Fact>
        <Fact label="Model">
          {info.data ? `${info.data.model}${info.data.demo ? ' (built-in demo)' : ''}` : '…'}
        </Fact>
        <Fact label="Compute driver">
          {instance.driver}, {isolationText[instance.isolation]}
        </Fact>
        <Fact label="Reef">{info.data?.version ?? '…'}</Fact>
      </dl>
    </Card>
  )
}

function Fact({ label, children, wide }: { label: string; children: ReactNode; wide?: boolean }) {
  return (
    <div className={wide ? 'min-w-0 col-span-2' : 'min-w-0'}>
      <dt className="text-[0.8125rem] text-ink-faint">{label}</dt>
      <dd className="mt-0.5 text-sm font-medium">{children}</dd>
    </div>
  )
}
