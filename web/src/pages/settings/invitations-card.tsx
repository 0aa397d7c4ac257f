import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { call } from '../../api/client.ts'
import { invitationsQuery } from '../../api/queries.ts'
import type { Invitation } from '../../api/types.ts'
import { Button } from '../../ui/button.tsx'
import { Card } from '../../ui/card.tsx'
import { RelativeTime } from '../../ui/time.tsx'
import { showDone } from '../../ui/toast.tsx'
import { roles } from './roles.ts'

/** Invitations that nobody has accepted yet; nothing is shown when there are none. */
export function InvitationsCard({ organizationId }: { organizationId: string }) {
  const invitations = useQuery(invitationsQuery(organizationId))
  if (!invitations.data?.length) return null
  return (
    <Card title="Pending invitations" flush>
      <ul className="divide-y divide-line">
        {invitations.data.map((invitation) => (
          <InvitationRow key={invitation.id} invitation={invitation} organizationId={organizationId} />
        ))}
      </ul>
    </Card>
  )
}

function InvitationRow({ invitation, organizationId }: { invitation: Invitation; organizationId: string }) {
  const client = useQueryClient()
  const revoke = useMutation({
    mutationFn: () => call('DELETE', `/api/orgs/${organizationId}/invitations/${invitation.id}`),
    onSuccess: async () => {
      showDone(`The invitation of ${invitation.email} is withdrawn.`)
      await client.invalidateQueries({ queryKey: invitationsQuery(organizationId).queryKey })
    },
  })
  return (
    <li aria-label={invitation.email} className="flex flex-wrap items-center gap-x-4 gap-y-2 px-5 py-3">
      <div className="min-w-0 flex-1 basis-52">
        <div className="truncate text-sm font-medium">{invitation.email}</div>
        <div className="text-[0.8125rem] text-ink-faint">
          As {roles.find(({ role }) => role === invitation.role)?.label.toLowerCase()}, the link ends{' '}
          <RelativeTime at={invitation.expiresAt} />
        </div>
      </div>
      <Button size="small" variant="danger" pending={revoke.isPending} onClick={() => revoke.mutate()}>
        Withdraw
      </Button>
    </li>
  )
}
