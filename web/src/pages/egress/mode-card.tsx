import type { Egress } from '../../api/types.ts'
import { bytesText } from '../../ui/bytes.ts'
import { Card } from '../../ui/card.tsx'
import { cn } from '../../ui/class-names.ts'
import { useEgressChange } from './use-egress-change.ts'

const modeText: Record<Egress['mode'], string> = {
  allow_list: 'Only what is listed',
  open: 'Any public address',
}

type Choice = Egress['mode'] | 'inherit'

/** How the instance may reach the outside at all. */
export function ModeCard({ instanceId, egress }: { instanceId: string; egress: Egress }) {
  const change = useEgressChange(instanceId)
  const chosen: Choice =
    change.isPending && change.variables.kind === 'mode'
      ? (change.variables.mode ?? 'inherit')
      : (egress.ownMode ?? 'inherit')
  const choices: { value: Choice; label: string; hint: string; disabled?: boolean }[] = [
    {
      value: 'inherit',
      label: 'As the organization',
      hint:
        egress.ownMode === null
          ? `At the moment: ${modeText[egress.mode].toLowerCase()}`
          : 'Whatever is set there holds',
    },
    { value: 'allow_list', label: modeText.allow_list, hint: 'Everything else is refused and shown below' },
    {
      value: 'open',
      label: modeText.open,
      hint: egress.openPermitted
        ? 'Whatever runs in it may send what it knows anywhere'
        : 'Not permitted by the operator of this Reef',
      disabled: !egress.openPermitted,
    },
  ]
  return (
    <Card
      title="What it may reach"
      description={egress.enforced ? egress.notice : 'Kept for a driver that enforces it.'}
    >
      <fieldset aria-label="What it may reach" className="grid gap-2.5 sm:grid-cols-3">
        {choices.map(({ value, label, hint, disabled }) => (
          <label
            key={value}
            className={cn(
              'flex gap-2.5 rounded-[0.625rem] border border-line px-3.5 py-2.5 text-sm transition-colors',
              disabled ? 'opacity-55' : 'cursor-pointer hover:bg-hover',
              'has-checked:border-lagoon has-checked:bg-lagoon-soft',
              'has-focus-visible:outline-2 has-focus-visible:outline-offset-2 has-focus-visible:outline-lagoon',
            )}
          >
            <input
              type="radio"
              name="egress-mode"
              checked={chosen === value}
              disabled={disabled || change.isPending}
              onChange={() => change.mutate({ kind: 'mode', mode: value === 'inherit' ? null : value })}
              className="mt-[3px] size-4 shrink-0 outline-none"
            />
            <span>
              <span className="font-medium">{label}</span>
              <span className="block text-[0.8125rem] text-ink-faint">{hint}</span>
            </span>
          </label>
        ))}
      </fieldset>
      {egress.traffic && egress.enforced && (
        <p className="mt-4 text-[0.8125rem] text-ink-faint">
          In the last 24 hours: {bytesText(egress.traffic.sentBytes)} sent,{' '}
          {bytesText(egress.traffic.receivedBytes)} received.
        </p>
      )}
    </Card>
  )
}
