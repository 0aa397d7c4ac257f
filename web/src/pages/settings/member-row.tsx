import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import { call } from '../../api/client.ts'
import { membersQuery } from '../../api/queries.ts'
import type { Member, Organization, Role } from '../../api/types.ts'
import { switchOrganization } from '../../app/switch-organization.ts'
import { paths } from '../../paths.ts'
import { Button } from '../../ui/button.tsx'
import { cn } from '../../ui/class-names.ts'
import { ConfirmDialog } from '../../ui/confirm-dialog.tsx'
import { inputClass } from '../../ui/field.tsx'
import { RelativeTime } from '../../ui/time.tsx'
import { showDone } from '../../ui/toast.tsx'
import { mayAdministrate } from './permissions.ts'
import { roles } from './roles.ts'

interface MemberRowProps {
  member: Member
  organization: Organization
  isMe: boolean
}

export function MemberRow({ member, organization, isMe }: MemberRowProps) {
  const client = useQueryClient()
  const { queryKey } = membersQuery(organization.id)
  const changeRole = useMutation({
    mutationFn: (role: Role) =>
      call('PATCH', `/api/orgs/${organization.id}/members/${member.userId}`, { body: { role } }),
    onSuccess: () => showDone(`${member.name} has a new role.`),
    onSettled: () => client.invalidateQueries({ queryKey }),
  })
  const mayChange = mayAdministrate(organization) && !organization.personal
  return (
    <li aria-label={member.name} className="flex flex-wrap items-center gap-x-4 gap-y-2 px-5 py-3">
      <div className="min-w-0 flex-1 basis-52">
        <div className="truncate text-sm font-medium">
          {member.name}
          {isMe && <span className="font-normal text-ink-faint"> (you)</span>}
        </div>
        <div className="truncate text-[0.8125rem] text-ink-faint">
          {member.email}, joined <RelativeTime at={member.joinedAt} />
        </div>
      </div>
      {mayChange ? (
        <select
          aria-label={`Role of ${member.name}`}
          value={changeRole.isPending ? changeRole.variables : member.role}
          disabled={changeRole.isPending}
          onChange={(event) => changeRole.mutate(event.target.value as Role)}
          className={cn(inputClass, 'h-8 w-auto pr-7 text-[0.8125rem]')}
        >
          {roles.map(({ role, label }) => (
            <option key={role} value={role} disabled={role === 'owner' && organization.role !== 'owner'}>
              {label}
            </option>
          ))}
        </select>
      ) : (
        <span className="text-sm text-ink-soft">{roles.find(({ role }) => role === member.role)?.label}</span>
      )}
      {!organization.personal && (mayChange || isMe) && (
        <RemoveMember member={member} organization={organization} isMe={isMe} />
      )}
    </li>
  )
}

function RemoveMember({ member, organization, isMe }: MemberRowProps) {
  const [confirming, setConfirming] = useState(false)
  const client = useQueryClient()
  const navigate = useNavigate()
  const remove = useMutation({
    mutationFn: () => call('DELETE', `/api/orgs/${organization.id}/members/${member.userId}`),
    onSuccess: async () => {
      setConfirming(false)
      if (!isMe) return client.invalidateQueries({ queryKey: membersQuery(organization.id).queryKey })
      await switchOrganization(undefined)
      await navigate(paths.chat())
    },
  })
  const action = isMe ? 'Leave' : 'Remove'
  return (
    <>
      <Button size="small" variant="danger" onClick={() => setConfirming(true)}>
        {action}
      </Button>
      <ConfirmDialog
        open={confirming}
        onClose={() => setConfirming(false)}
        title={isMe ? `Leave ${organization.name}?` : `Remove ${member.name}?`}
        confirmLabel={isMe ? 'Leave organization' : 'Remove member'}
        pending={remove.isPending}
        onConfirm={() => remove.mutate()}
      >
        {isMe ? 'You lose' : `${member.name} loses`} access to this organization and to their instance in it
        at once. A new invitation brings it back.
      </ConfirmDialog>
    </>
  )
}
