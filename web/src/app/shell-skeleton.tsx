import { Skeleton } from '../ui/skeleton.tsx'

export function ShellSkeleton() {
  return (
    <div className="flex h-dvh" role="status" aria-label="Loading">
      <div className="hidden w-67 shrink-0 space-y-4 border-r border-line bg-sunken p-4 md:block">
        <Skeleton className="h-7 w-24" />
        <Skeleton className="h-9 w-full" />
        <Skeleton className="mt-8 h-4 w-3/5" />
        <Skeleton className="h-4 w-2/5" />
        <Skeleton className="h-4 w-1/2" />
      </div>
      <div className="mx-auto w-full max-w-2xl space-y-4 px-6 pt-24">
        <Skeleton className="h-6 w-1/3" />
        <Skeleton className="h-4 w-full" />
        <Skeleton className="h-4 w-4/5" />
      </div>
    </div>
  )
}
