import { useMutation } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import { call } from '../api/client.ts'
import { fieldMessage, messageOf } from '../api/errors.ts'
import type { Organization } from '../api/types.ts'
import { paths } from '../paths.ts'
import { Button } from '../ui/button.tsx'
import { Dialog } from '../ui/dialog.tsx'
import { TextField } from '../ui/field.tsx'
import { showDone } from '../ui/toast.tsx'
import { switchOrganization } from './switch-organization.ts'

export function CreateOrganizationDialog({ open, onClose }: { open: boolean; onClose: () => void }) {
  const navigate = useNavigate()
  const [name, setName] = useState('')
  const create = useMutation({
    meta: { showsError: true },
    mutationFn: () => call<Organization>('POST', '/api/orgs', { body: { name } }),
    onSuccess: async (organization) => {
      onClose()
      setName('')
      await switchOrganization(organization)
      showDone(`You are now in ${organization.name}.`)
      await navigate(paths.members())
    },
  })
  return (
    <Dialog
      open={open}
      onClose={onClose}
      title="New organization"
      description="Its members share its credits; each has an instance and API keys of their own in it. You become its owner."
    >
      <form
        className="space-y-5"
        onSubmit={(event) => {
          event.preventDefault()
          create.mutate()
        }}
      >
        <TextField
          label="Organization name"
          value={name}
          onChange={(event) => setName(event.target.value)}
          maxLength={100}
          required
          autoComplete="off"
          error={create.error ? (fieldMessage(create.error, 'name') ?? messageOf(create.error)) : undefined}
        />
        <div className="flex justify-end gap-2">
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" variant="primary" pending={create.isPending}>
            Create organization
          </Button>
        </div>
      </form>
    </Dialog>
  )
}
