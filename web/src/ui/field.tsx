import {
  type InputHTMLAttributes,
  type ReactNode,
  type SelectHTMLAttributes,
  type TextareaHTMLAttributes,
  useId,
} from 'react'
import { cn } from './class-names.ts'

export const inputClass = cn(
  'block rounded-control border border-line-strong/80 bg-surface px-3 text-ink',
  'transition-colors hover:border-line-strong focus-visible:outline-offset-0 focus-visible:border-lagoon',
  'aria-invalid:border-bad disabled:opacity-60',
)

interface FieldProps {
  label: string
  hint?: ReactNode
  error?: string | undefined
}

function FieldFrame({ id, label, hint, error, children }: FieldProps & { id: string; children: ReactNode }) {
  return (
    <div className="space-y-1.5">
      <label htmlFor={id} className="block text-sm font-medium">
        {label}
      </label>
      {children}
      {error ? (
        <p id={`${id}-note`} role="alert" className="text-[0.8125rem] text-bad">
          {error}
        </p>
      ) : (
        hint && (
          <p id={`${id}-note`} className="text-[0.8125rem] text-ink-faint">
            {hint}
          </p>
        )
      )}
    </div>
  )
}

export function TextField({
  label,
  hint,
  error,
  className,
  ...rest
}: FieldProps & InputHTMLAttributes<HTMLInputElement>) {
  const id = useId()
  return (
    <FieldFrame id={id} label={label} hint={hint} error={error}>
      <input
        {...rest}
        id={id}
        aria-invalid={error ? true : undefined}
        aria-describedby={error || hint ? `${id}-note` : undefined}
        className={cn(inputClass, 'h-10 w-full text-[0.9375rem]', className)}
      />
    </FieldFrame>
  )
}

export function TextAreaField({
  label,
  hint,
  error,
  className,
  ...rest
}: FieldProps & TextareaHTMLAttributes<HTMLTextAreaElement>) {
  const id = useId()
  return (
    <FieldFrame id={id} label={label} hint={hint} error={error}>
      <textarea
        {...rest}
        id={id}
        aria-invalid={error ? true : undefined}
        aria-describedby={error || hint ? `${id}-note` : undefined}
        className={cn(inputClass, 'w-full py-2 text-[0.9375rem]', className)}
      />
    </FieldFrame>
  )
}

export function SelectField({
  label,
  hint,
  error,
  children,
  ...rest
}: FieldProps & SelectHTMLAttributes<HTMLSelectElement>) {
  const id = useId()
  return (
    <FieldFrame id={id} label={label} hint={hint} error={error}>
      <select {...rest} id={id} className={cn(inputClass, 'h-10 w-full pr-8 text-[0.9375rem]')}>
        {children}
      </select>
    </FieldFrame>
  )
}
