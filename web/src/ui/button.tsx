import type { ButtonHTMLAttributes, ReactNode } from 'react'
import { cn } from './class-names.ts'

type Variant = 'primary' | 'secondary' | 'quiet' | 'danger'

const variants: Record<Variant, string> = {
  primary: 'bg-primary text-on-primary hover:bg-primary-hover shadow-card',
  secondary: 'bg-surface text-ink border border-line-strong/70 hover:bg-hover hover:border-line-strong',
  quiet: 'text-ink-soft hover:text-ink hover:bg-hover',
  danger: 'bg-surface text-bad border border-bad/40 hover:bg-bad-soft hover:border-bad',
}

export interface ButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  variant?: Variant
  size?: 'small' | 'medium' | 'large'
  /** Work under way: the button stays put, says so, and takes no second click. */
  pending?: boolean
  icon?: ReactNode
}

const sizes = {
  small: 'h-8 px-2.5 text-[0.8125rem] gap-1.5',
  medium: 'h-9.5 px-3.5 text-sm gap-2',
  large: 'h-11 px-5 text-[0.9375rem] gap-2',
}

export function buttonClass(variant: Variant = 'secondary', size: keyof typeof sizes = 'medium'): string {
  return cn(
    'inline-flex items-center justify-center rounded-control font-medium whitespace-nowrap select-none',
    'transition-colors duration-150 disabled:opacity-55 disabled:pointer-events-none',
    sizes[size],
    variants[variant],
  )
}

export function Button({
  variant,
  size,
  pending,
  icon,
  className,
  children,
  disabled,
  ...rest
}: ButtonProps) {
  return (
    <button
      type="button"
      {...rest}
      disabled={disabled || pending}
      aria-busy={pending || undefined}
      className={cn(buttonClass(variant, size), pending && 'animate-shimmer', className)}
    >
      {icon}
      {children}
    </button>
  )
}

interface IconButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  /** Read out and shown as the tooltip. */
  label: string
  children: ReactNode
}

export function IconButton({ label, className, children, ...rest }: IconButtonProps) {
  return (
    <button
      type="button"
      aria-label={label}
      title={label}
      {...rest}
      className={cn(
        'inline-flex size-8.5 shrink-0 items-center justify-center rounded-control text-ink-soft',
        'transition-colors hover:bg-hover hover:text-ink disabled:opacity-40 disabled:pointer-events-none',
        className,
      )}
    >
      {children}
    </button>
  )
}
