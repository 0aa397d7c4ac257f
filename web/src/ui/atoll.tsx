import { cn } from './class-names.ts'

/** Arcs of the ring as [start, span] in degrees; uneven like a real reef. Five, as a launch has five steps. */
const arcs = [
  [-78, 58],
  [4, 36],
  [64, 52],
  [140, 40],
  [204, 54],
] as const

const radius = 9
const center = 12

interface AtollProps {
  size?: number
  /** How many arcs are lit; the next one breathes. Without it this is the plain mark. */
  progress?: number
  className?: string
}

/** Reef's mark: a ring of reef around one's own lagoon. During a launch it is also the progress indicator. */
export function Atoll({ size = 24, progress, className }: AtollProps) {
  return (
    <svg viewBox="0 0 24 24" width={size} height={size} className={className} aria-hidden="true">
      <g fill="none" strokeWidth="2.9" strokeLinecap="round">
        {arcs.map(([start, span], index) => (
          <path key={start} d={arcPath(start, span)} className={arcClass(index, progress)} />
        ))}
      </g>
      <circle
        cx={center}
        cy={center}
        r="2.3"
        className={cn(
          'fill-coral transition-opacity duration-500',
          progress !== undefined && progress < 5 && 'opacity-25',
        )}
      />
    </svg>
  )
}

function arcClass(index: number, progress: number | undefined): string {
  if (progress === undefined) return index === 4 ? 'stroke-coral' : 'stroke-current'
  if (index < progress) return 'stroke-coral transition-colors duration-500'
  return index === Math.floor(progress) ? 'stroke-coral/60 animate-breathe' : 'stroke-line-strong'
}

function arcPath(startDegrees: number, spanDegrees: number): string {
  const point = (degrees: number) => {
    const radians = (degrees * Math.PI) / 180
    return `${(center + radius * Math.cos(radians)).toFixed(2)} ${(center + radius * Math.sin(radians)).toFixed(2)}`
  }
  return `M${point(startDegrees)}A${radius} ${radius} 0 0 1 ${point(startDegrees + spanDegrees)}`
}

export function Wordmark({ className }: { className?: string }) {
  return (
    <span
      className={cn('inline-flex items-center gap-2 font-[680] tracking-[-0.03em] text-[1.25rem]', className)}
    >
      <Atoll size={24} />
      Reef
    </span>
  )
}
