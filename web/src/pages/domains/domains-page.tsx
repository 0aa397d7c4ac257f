import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { type FormEvent, useState } from 'react'
import { call } from '../../api/client.ts'
import { fieldMessage } from '../../api/errors.ts'
import type { Domain, Instance } from '../../api/types.ts'
import { useMe } from '../../app/use-me.ts'
import { Button } from '../../ui/button.tsx'
import { Card, EmptyState } from '../../ui/card.tsx'
import { TextField } from '../../ui/field.tsx'
import { ErrorNotice } from '../../ui/notice.tsx'
import { SkeletonRows } from '../../ui/skeleton.tsx'
import { FormError } from '../enter/form-error.tsx'
import { DomainRow } from './domain-row.tsx'
import { domainsQuery } from './queries.ts'

export function DomainsPage() {
  const { instance } = useMe()
  return instance && <Domains key={instance.id} instance={instance} />
}

function Domains({ instance }: { instance: Instance }) {
  const domains = useQuery(domainsQuery(instance.id))
  return (
    <Card
      title="Domains"
      description="Names of your own that lead to this instance, beside the address that it has anyway."
      flush
    >
      <AddDomainForm instanceId={instance.id} />
      {domains.isPending && <SkeletonRows />}
      {domains.error && (
        <ErrorNotice error={domains.error} onRetry={() => void domains.refetch()} className="m-5" />
      )}
      {domains.data?.length === 0 && (
        <EmptyState title="No domains yet">
          Add a name that you have, such as claw.example.com. You then see which record to set where its DNS
          is kept; once it is found, the name leads here.
        </EmptyState>
      )}
      <ul className="divide-y divide-line">
        {domains.data?.map((domain) => (
          <DomainRow key={domain.id} domain={domain} instanceId={instance.id} />
        ))}
      </ul>
    </Card>
  )
}

function AddDomainForm({ instanceId }: { instanceId: string }) {
  const client = useQueryClient()
  const [name, setName] = useState('')
  const { queryKey } = domainsQuery(instanceId)
  const add = useMutation({
    meta: { showsError: true },
    mutationFn: () =>
      call<Domain>('POST', `/api/instances/${instanceId}/domains`, { body: { domain: name.trim() } }),
    onSuccess: async (added) => {
      setName('')
      client.setQueryData(queryKey, (known) => [added, ...(known ?? []).filter(({ id }) => id !== added.id)])
      await client.invalidateQueries({ queryKey })
    },
  })
  const submit = (event: FormEvent) => {
    event.preventDefault()
    add.mutate()
  }
  return (
    <form onSubmit={submit} className="space-y-3 border-b border-line p-5">
      <div className="flex flex-wrap items-start gap-3">
        <div className="min-w-0 flex-1 basis-60">
          <TextField
            label="Domain"
            placeholder="claw.example.com"
            required
            maxLength={300}
            autoComplete="off"
            autoCapitalize="none"
            spellCheck={false}
            value={name}
            onChange={(event) => setName(event.target.value)}
            error={fieldMessage(add.error, 'domain')}
          />
        </div>
        <Button
          type="submit"
          variant="primary"
          pending={add.isPending}
          className="h-10 w-full sm:mt-6.5 sm:w-auto"
        >
          Add domain
        </Button>
      </div>
      <FormError error={add.error} fields={['domain']} />
    </form>
  )
}
