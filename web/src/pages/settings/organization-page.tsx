import { useMutation, useQueryClient } from '@tanstack/react-query'
import { Plus } from 'lucide-react'
import { useState } from 'react'
import { call } from '../../api/client.ts'
import { fieldMessage } from '../../api/errors.ts'
import { meQuery } from '../../api/queries.ts'
import type { Organization } from '../../api/types.ts'
import { CreateOrganizationDialog } from '../../app/create-organization-dialog.tsx'
import { useMe } from '../../app/use-me.ts'
import { Button } from '../../ui/button.tsx'
import { Card } from '../../ui/card.tsx'
import { TextField } from '../../ui/field.tsx'
import { showDone } from '../../ui/toast.tsx'
import { FormError } from '../enter/form-error.tsx'
import { mayAdministrate } from './permissions.ts'

export function OrganizationPage() {
  const { organization } = useMe()
  const [creating, setCreating] = useState(false)
  return (
    <div className="space-y-6">
      <RenameCard key={organization.id} organization={organization} />
      <Card title="Another organization">
        <div className="flex flex-wrap items-center justify-between gap-4">
          <p className="max-w-md text-sm text-ink-soft">
            Each organization has its own members and credits, and in each you have an instance and API keys
            of your own. You switch between them at the top left.
          </p>
          <Button icon={<Plus size={15} />} onClick={() => setCreating(true)}>
            New organization
          </Button>
        </div>
      </Card>
      <CreateOrganizationDialog open={creating} onClose={() => setCreating(false)} />
    </div>
  )
}

function RenameCard({ organization }: { organization: Organization }) {
  const client = useQueryClient()
  const [name, setName] = useState(organization.name)
  const mayChange = mayAdministrate(organization)
  const rename = useMutation({
    meta: { showsError: true },
    mutationFn: () => call<Organization>('PATCH', `/api/orgs/${organization.id}`, { body: { name } }),
    onSuccess: async () => {
      showDone('The organization has its new name.')
      await client.invalidateQueries({ queryKey: meQuery.queryKey })
    },
  })
  return (
    <Card title="Name">
      <form
        className="space-y-4"
        onSubmit={(event) => {
          event.preventDefault()
          rename.mutate()
        }}
      >
        <div className="max-w-sm">
          <TextField
            label="Organization name"
            required
            maxLength={100}
            disabled={!mayChange}
            value={name}
            onChange={(event) => setName(event.target.value)}
            hint={mayChange ? undefined : 'Owners and admins can change it.'}
            error={fieldMessage(rename.error, 'name')}
          />
        </div>
        <FormError error={rename.error} fields={['name']} />
        {mayChange && (
          <Button
            type="submit"
            variant="primary"
            pending={rename.isPending}
            disabled={name.trim() === organization.name}
          >
            Save
          </Button>
        )}
      </form>
    </Card>
  )
}
