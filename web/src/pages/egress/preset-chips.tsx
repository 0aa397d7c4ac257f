import { useQuery } from '@tanstack/react-query'
import { Check, Plus } from 'lucide-react'
import type { EgressRule } from '../../api/types.ts'
import { cn } from '../../ui/class-names.ts'
import { hasAll } from './coverage.ts'
import { presetsQuery } from './queries.ts'
import { type EgressPlace, useEgressChange } from './use-egress-change.ts'

interface PresetChipsProps {
  instanceId: string
  place: EgressPlace
  rules: EgressRule[]
}

/** Domains that are wanted together, allowed with one click. */
export function PresetChips({ instanceId, place, rules }: PresetChipsProps) {
  const presets = useQuery(presetsQuery)
  const change = useEgressChange(instanceId)
  const pending = change.isPending && change.variables.kind === 'preset' ? change.variables.preset : undefined
  if (!presets.data) return null
  return (
    <fieldset>
      <legend className="mb-2 text-[0.8125rem] text-ink-faint">Wanted together, with one click</legend>
      <div className="flex flex-wrap gap-1.5">
        {presets.data.map((preset) => {
          const has = hasAll(rules, preset.domains)
          return (
            <button
              key={preset.id}
              type="button"
              aria-pressed={has}
              disabled={has || pending !== undefined}
              title={`${preset.description} ${preset.domains.join(', ')}`}
              onClick={() => change.mutate({ kind: 'preset', place, preset: preset.id })}
              className={cn(
                'inline-flex h-8 items-center gap-1.5 rounded-full border border-line px-3 text-[0.8125rem] font-medium transition-colors',
                has ? 'bg-good-soft text-good' : 'bg-surface hover:border-line-strong hover:bg-hover',
                pending === preset.id && 'animate-shimmer',
              )}
            >
              {has ? <Check size={13} /> : <Plus size={13} className="text-ink-faint" />}
              {preset.title}
            </button>
          )
        })}
      </div>
    </fieldset>
  )
}
