import { cn } from './class-names.ts'

interface ChoiceProps<T extends string | number> {
  label: string
  options: { value: T; label: string }[]
  value: T
  onChange: (value: T) => void
}

/** A few values of which one is chosen, all in sight. */
export function Choice<T extends string | number>({ label, options, value, onChange }: ChoiceProps<T>) {
  return (
    <fieldset aria-label={label} className="flex rounded-control bg-sunken p-0.5">
      {options.map((option) => (
        <button
          key={option.value}
          type="button"
          aria-pressed={option.value === value}
          onClick={() => onChange(option.value)}
          className={cn(
            'h-7 rounded-md px-2.5 text-[0.8125rem] font-medium whitespace-nowrap text-ink-faint transition-colors hover:text-ink',
            'aria-pressed:bg-raised aria-pressed:text-ink aria-pressed:shadow-card',
          )}
        >
          {option.label}
        </button>
      ))}
    </fieldset>
  )
}
