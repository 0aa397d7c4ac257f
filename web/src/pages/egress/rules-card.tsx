import { X } from 'lucide-react'
import { useState } from 'react'
import type { Egress, EgressRule } from '../../api/types.ts'
import { useMe } from '../../app/use-me.ts'
import { IconButton } from '../../ui/button.tsx'
import { Card, EmptyState } from '../../ui/card.tsx'
import { RelativeTime } from '../../ui/time.tsx'
import { mayAdministrate } from '../settings/permissions.ts'
import { AddRuleForm } from './add-rule-form.tsx'
import { portsText } from './coverage.ts'
import { PresetChips } from './preset-chips.tsx'
import { type EgressPlace, useEgressChange } from './use-egress-change.ts'

/** The domains that may be reached: the instance's own and those of its organization. */
export function RulesCard({ instanceId, egress }: { instanceId: string; egress: Egress }) {
  const { organization } = useMe()
  const [place, setPlace] = useState<EgressPlace>('instance')
  const mayChangeBoth = mayAdministrate(organization)
  return (
    <Card
      title="Allowed domains"
      description="Models need none: they are reached through Reef. A change holds within a second, also for what is open."
      flush
    >
      <div className="space-y-4 border-b border-line p-5">
        <AddRuleForm instanceId={instanceId} place={place} onPlace={mayChangeBoth ? setPlace : undefined} />
        <PresetChips instanceId={instanceId} place={place} rules={egress.rules} />
      </div>
      {egress.rules.length === 0 && (
        <EmptyState title="Nothing is allowed yet">
          Add a domain or choose a preset above. Until then the instance reaches its models and nothing else.
        </EmptyState>
      )}
      <ul className="divide-y divide-line">
        {egress.rules.map((rule) => (
          <RuleRow
            key={`${rule.domain} ${rule.inherited}`}
            instanceId={instanceId}
            rule={rule}
            mayRemove={!rule.inherited || mayChangeBoth}
          />
        ))}
      </ul>
    </Card>
  )
}

interface RuleRowProps {
  instanceId: string
  rule: EgressRule
  mayRemove: boolean
}

function RuleRow({ instanceId, rule, mayRemove }: RuleRowProps) {
  const change = useEgressChange(instanceId)
  const place = rule.inherited ? 'organization' : 'instance'
  return (
    <li aria-label={rule.domain} className="flex items-center gap-x-4 px-5 py-2.5 text-sm">
      <span className="min-w-0 flex-1">
        <span className="font-mono text-[0.8125rem] font-medium break-all">{rule.domain}</span>
        <span className="text-ink-faint">{portsText(rule.ports)}</span>
        {rule.inherited && (
          <span className="ml-2.5 rounded bg-sunken px-1.5 py-0.5 text-xs text-ink-soft">Organization</span>
        )}
      </span>
      <span className="hidden text-[0.8125rem] text-ink-faint sm:inline">
        added <RelativeTime at={rule.createdAt} />
      </span>
      {mayRemove && (
        <IconButton
          label={`Remove ${rule.domain}${rule.inherited ? ' for the whole organization' : ''}`}
          className="-my-1 hover:text-bad"
          disabled={change.isPending}
          onClick={() => change.mutate({ kind: 'delete', place, domain: rule.domain })}
        >
          <X size={16} />
        </IconButton>
      )}
    </li>
  )
}
