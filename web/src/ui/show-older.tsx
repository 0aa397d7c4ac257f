import { Button } from './button.tsx'

interface Pages {
  hasNextPage: boolean
  isFetchingNextPage: boolean
  fetchNextPage(): Promise<unknown>
}

/** The foot of a list that comes page by page; nothing on its last one. */
export function ShowOlder({ pages }: { pages: Pages }) {
  if (!pages.hasNextPage) return null
  return (
    <div className="border-t border-line p-3 text-center">
      <Button
        size="small"
        variant="quiet"
        pending={pages.isFetchingNextPage}
        onClick={() => void pages.fetchNextPage()}
      >
        Show older ones
      </Button>
    </div>
  )
}
