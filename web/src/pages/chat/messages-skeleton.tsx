import { Skeleton } from '../../ui/skeleton.tsx'

export function MessagesSkeleton() {
  return (
    <div
      role="status"
      aria-label="Loading"
      className="mx-auto w-full max-w-3xl flex-1 space-y-8 px-4 pt-8 sm:px-6"
    >
      <Skeleton className="ml-auto h-10 w-2/5 rounded-2xl" />
      <div className="space-y-3">
        <Skeleton className="h-4 w-full" />
        <Skeleton className="h-4 w-11/12" />
        <Skeleton className="h-4 w-3/5" />
      </div>
    </div>
  )
}
