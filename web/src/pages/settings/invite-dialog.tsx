import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { call } from '../../api/client.ts'
import { fieldMessage } from '../../api/errors.ts'
import { invitationsQuery } from '../../api/queries.ts'
import type { NewInvitation, Organization, Role } from '../../api/types.ts'
import { Button } from '../../ui/button.tsx'
import { CopyButton } from '../../ui/copy.tsx'
import { Dialog } from '../../ui/dialog.tsx'
import { SelectField, TextField } from '../../ui/field.tsx'
import { FormError } from '../enter/form-error.tsx'
import { roles } from './roles.ts'

export function InviteDialog({ organization, onClose }: { organization: Organization; onClose: () => void }) {
  const client = useQueryClient()
  const [email, setEmail] = useState('')
  const [role, setRole] = useState<Role>('member')
  const invite = useMutation({
    meta: { showsError: true },
    mutationFn: () =>
      call<NewInvitation>('POST', `/api/orgs/${organization.id}/invitations`, { body: { email, role } }),
    onSuccess: () => client.invalidateQueries({ queryKey: invitationsQuery(organization.id).queryKey }),
  })
  if (invite.data) return <InvitationLink invitation={invite.data} onClose={onClose} />
  return (
    <Dialog
      open
      onClose={onClose}
      title={`Invite to ${organization.name}`}
      description="You get a link to send them."
    >
      <form
        className="space-y-4"
        onSubmit={(event) => {
          event.preventDefault()
          invite.mutate()
        }}
      >
        <TextField
          label="E-mail"
          type="email"
          required
          autoComplete="off"
          value={email}
          onChange={(event) => setEmail(event.target.value)}
          error={fieldMessage(invite.error, 'email')}
        />
        <SelectField
          label="Role"
          value={role}
          onChange={(event) => setRole(event.target.value as Role)}
          hint="Admins also invite and remove people; owners can do everything."
        >
          {roles
            .filter((one) => one.role !== 'owner' || organization.role === 'owner')
            .map((one) => (
              <option key={one.role} value={one.role}>
                {one.label}
              </option>
            ))}
        </SelectField>
        <FormError error={invite.error} fields={['email']} />
        <div className="flex justify-end gap-2 pt-1">
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" variant="primary" pending={invite.isPending}>
            Create invitation
          </Button>
        </div>
      </form>
    </Dialog>
  )
}

function InvitationLink({ invitation, onClose }: { invitation: NewInvitation; onClose: () => void }) {
  return (
    <Dialog
      open
      onClose={onClose}
      title="Send them this link"
      description={`Only somebody who signs in as ${invitation.email} can use it. It is shown this once.`}
    >
      <output
        aria-label="Invitation link"
        className="block rounded-control border border-line bg-sunken px-3.5 py-3 font-mono text-[0.8125rem] break-all select-all"
      >
        {invitation.url}
      </output>
      <div className="mt-5 flex justify-end gap-2">
        <CopyButton text={invitation.url}>Copy link</CopyButton>
        <Button variant="primary" size="small" onClick={onClose}>
          Done
        </Button>
      </div>
    </Dialog>
  )
}
