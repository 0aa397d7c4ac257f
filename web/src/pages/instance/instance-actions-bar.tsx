import { ExternalLink, Moon, Play, RotateCw, Square, Trash2 } from 'lucide-react'
import { useState } from 'react'
import type { Instance } from '../../api/types.ts'
import { type InstanceChange, useInstanceChange, useVisit } from '../../app/instance-actions.ts'
import { Button } from '../../ui/button.tsx'
import { ConfirmDialog } from '../../ui/confirm-dialog.tsx'
import { UpgradeButton } from './upgrade-button.tsx'

/** Exactly the actions that the server says are possible now. */
export function InstanceActions({ instance }: { instance: Instance }) {
  const [deleting, setDeleting] = useState(false)
  const change = useInstanceChange(instance.id)
  const visit = useVisit(instance.id)
  const may = (action: Instance['actions'][number]) => instance.actions.includes(action)
  const isPending = (which: InstanceChange) => change.isPending && change.variables === which
  const upgrade = (onSettled: () => void) => change.mutate('upgrade', { onSettled })
  return (
    <div className="flex flex-wrap gap-2">
      {may('open') && (
        <Button icon={<ExternalLink size={15} />} pending={visit.isPending} onClick={() => visit.mutate()}>
          Open Control UI
        </Button>
      )}
      {/* Of a sleeping one the panel below says it, with what sleeping means. */}
      {may('start') && !instance.sleep && (
        <Button
          variant="primary"
          icon={<Play size={15} />}
          pending={isPending('start')}
          onClick={() => change.mutate('start')}
        >
          Start
        </Button>
      )}
      {may('upgrade') && <UpgradeButton pending={isPending('upgrade')} onUpgrade={upgrade} />}
      {may('suspend') && !instance.sleep && (
        <Button
          icon={<Moon size={14} />}
          title="Lets it sleep until somebody needs it"
          pending={isPending('suspend')}
          onClick={() => change.mutate('suspend')}
        >
          Suspend
        </Button>
      )}
      {may('restart') && (
        <Button
          icon={<RotateCw size={15} />}
          pending={isPending('restart')}
          onClick={() => change.mutate('restart')}
        >
          Restart
        </Button>
      )}
      {may('stop') && (
        <Button icon={<Square size={14} />} pending={isPending('stop')} onClick={() => change.mutate('stop')}>
          Stop
        </Button>
      )}
      {may('delete') && (
        <Button variant="danger" icon={<Trash2 size={15} />} onClick={() => setDeleting(true)}>
          Delete
        </Button>
      )}
      <ConfirmDialog
        open={deleting}
        onClose={() => setDeleting(false)}
        title="Delete this instance?"
        confirmLabel="Delete instance"
        pending={isPending('delete')}
        onConfirm={() => change.mutate('delete', { onSettled: () => setDeleting(false) })}
      >
        Its conversations, files and settings are gone for good. To keep them, stop it instead.
      </ConfirmDialog>
    </div>
  )
}
