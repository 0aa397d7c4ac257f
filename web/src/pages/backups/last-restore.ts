import { useState } from 'react'
import type { Restore } from '../../api/types.ts'

const storageKey = (instanceId: string) => `reef.restore.${instanceId}`

/** The restore that this tab watches: kept over a reload, until the person has seen what became of it. */
export function useLastRestore(instanceId: string) {
  const [restoreId, setRestoreId] = useState(() => sessionStorage.getItem(storageKey(instanceId)))
  return {
    restoreId,
    watch: ({ id }: Restore) => {
      sessionStorage.setItem(storageKey(instanceId), id)
      setRestoreId(id)
    },
    forget: () => {
      sessionStorage.removeItem(storageKey(instanceId))
      setRestoreId(null)
    },
  }
}
