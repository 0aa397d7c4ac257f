import { useQuery } from '@tanstack/react-query'
import { UserPlus } from 'lucide-react'
import { useState } from 'react'
import { membersQuery } from '../../api/queries.ts'
import { useMe } from '../../app/use-me.ts'
import { Button } from '../../ui/button.tsx'
import { Card } from '../../ui/card.tsx'
import { ErrorNotice, Notice } from '../../ui/notice.tsx'
import { SkeletonRows } from '../../ui/skeleton.tsx'
import { InvitationsCard } from './invitations-card.tsx'
import { InviteDialog } from './invite-dialog.tsx'
import { MemberRow } from './member-row.tsx'
import { mayAdministrate } from './permissions.ts'

export function MembersPage() {
  const { organization, user } = useMe()
  const members = useQuery(membersQuery(organization.id))
  const [inviting, setInviting] = useState(false)
  const mayChange = mayAdministrate(organization)
  return (
    <div className="space-y-6">
      {organization.personal && (
        <Notice>
          This is your personal organization. To work with others, make a new organization in the menu at the
          top left.
        </Notice>
      )}
      <Card
        title="Members"
        description="They share the organization’s credits. Everybody has an instance of their own, and nobody reads another’s conversations here."
        flush
        actions={
          mayChange &&
          !organization.personal && (
            <Button
              variant="primary"
              size="small"
              icon={<UserPlus size={15} />}
              onClick={() => setInviting(true)}
            >
              Invite
            </Button>
          )
        }
      >
        {members.isPending && <SkeletonRows />}
        {members.error && (
          <div className="p-5">
            <ErrorNotice error={members.error} onRetry={() => void members.refetch()} />
          </div>
        )}
        <ul className="divide-y divide-line">
          {members.data?.map((member) => (
            <MemberRow
              key={member.userId}
              member={member}
              organization={organization}
              isMe={member.userId === user.id}
            />
          ))}
        </ul>
      </Card>
      {mayChange && !organization.personal && <InvitationsCard organizationId={organization.id} />}
      {inviting && <InviteDialog organization={organization} onClose={() => setInviting(false)} />}
    </div>
  )
}
