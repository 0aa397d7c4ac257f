import { useMutation, useQueryClient } from '@tanstack/react-query'
import { ArchiveRestore } from 'lucide-react'
import { call } from '../../api/client.ts'
import type { Backup } from '../../api/types.ts'
import { Button } from '../../ui/button.tsx'
import { showDone } from '../../ui/toast.tsx'
import { backupsQuery, isUnderWay } from './queries.ts'

export function BackUpButton({ instanceId, underWay }: { instanceId: string; underWay: boolean }) {
  const client = useQueryClient()
  const backUp = useMutation({
    mutationFn: () => call<Backup>('POST', '/api/backup', { body: { instanceId } }),
    onSuccess: async (backup) => {
      // A machine that stands still has changed nothing: the answer is the newest backup that there is.
      if (!isUnderWay(backup)) showDone('Nothing has changed since the newest backup.')
      await client.invalidateQueries({ queryKey: backupsQuery(instanceId).queryKey })
    },
  })
  return (
    <Button
      variant="primary"
      size="small"
      icon={<ArchiveRestore size={15} className="rotate-180" />}
      pending={backUp.isPending || underWay}
      onClick={() => backUp.mutate()}
    >
      {underWay ? 'Backing up…' : 'Back up now'}
    </Button>
  )
}
