import { useMutation } from '@tanstack/react-query'
import { call } from '../api/client.ts'
import type { Me } from '../api/types.ts'
import { Button } from '../ui/button.tsx'
import { showDone } from '../ui/toast.tsx'

/** A slim line above every page until the address is confirmed; never there where Reef sends no mail. */
export function ConfirmEmailBanner({ toConfirm }: { toConfirm: NonNullable<Me['emailToConfirm']> }) {
  const resend = useMutation({
    mutationFn: () => call('POST', '/api/auth/verify-email/resend'),
    onSuccess: () => showDone(`Another mail is on its way to ${toConfirm.email}.`),
  })
  return (
    <div
      role="status"
      className="flex shrink-0 flex-wrap items-center gap-x-3 gap-y-1 border-b border-line bg-sunken px-4 py-1.5 text-sm"
    >
      <span className="min-w-0 flex-1">
        Confirm your address: open the link that was sent to <strong>{toConfirm.email}</strong>.
        {toConfirm.trial && ' Your trial credits come with it.'}
      </span>
      <Button size="small" pending={resend.isPending} onClick={() => resend.mutate()}>
        Send another mail
      </Button>
    </div>
  )
}
