import { CircleArrowUp } from 'lucide-react'
import { useState } from 'react'
import { Button } from '../../ui/button.tsx'
import { ConfirmDialog } from '../../ui/confirm-dialog.tsx'

interface UpgradeButtonProps {
  pending: boolean
  onUpgrade: (onSettled: () => void) => void
}

export function UpgradeButton({ pending, onUpgrade }: UpgradeButtonProps) {
  const [confirming, setConfirming] = useState(false)
  const close = () => setConfirming(false)
  return (
    <>
      <Button icon={<CircleArrowUp size={15} />} onClick={() => setConfirming(true)}>
        Upgrade
      </Button>
      <ConfirmDialog
        open={confirming}
        onClose={close}
        title="Upgrade this instance?"
        confirmLabel={pending ? 'Backing up…' : 'Upgrade'}
        variant="primary"
        pending={pending}
        onConfirm={() => onUpgrade(close)}
      >
        It is backed up first. Then OpenClaw starts anew with the newest software that this Reef has; answers
        under way end, conversations and files stay. Should the new software not become ready within a few
        minutes, the former comes back by itself.
      </ConfirmDialog>
    </>
  )
}
