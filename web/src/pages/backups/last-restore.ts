import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import type { Restore } from '../../api/types.ts'
import { isRestoring, restoresQuery } from './queries.ts'

const storageKey = (instanceId: string) => `reef.restore.dismissed.${instanceId}`
/** What became of an older one is no news, whoever has not dismissed it. */
const newsMs = 24 * 3_600_000

/** The restore that somebody asked for last, wherever they did, until this browser's person has seen what became of it. */
export function useLastRestore(instanceId: string) {
  const client = useQueryClient()
  const query = restoresQuery(instanceId)
  const restores = useQuery(query)
  const [dismissedId, setDismissedId] = useState(() => localStorage.getItem(storageKey(instanceId)))
  const last = restores.data?.find((restore) => restore.kind === 'requested')
  const shown = last !== undefined && last.id !== dismissedId && isNews(last)
  return {
    restoreId: shown ? last.id : null,
    begun: (restore: Restore) => {
      client.setQueryData(query.queryKey, (known) => [restore, ...(known ?? [])])
    },
    dismiss: () => {
      if (!last) return
      localStorage.setItem(storageKey(instanceId), last.id)
      setDismissedId(last.id)
    },
  }
}

function isNews(restore: Restore): boolean {
  return isRestoring(restore) || Date.now() - Date.parse(restore.finishedAt ?? restore.requestedAt) < newsMs
}
