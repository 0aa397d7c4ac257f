import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { call } from '../../api/client.ts'
import { fieldMessage } from '../../api/errors.ts'
import { apiKeysQuery } from '../../api/queries.ts'
import type { CreateApiKey, NewApiKey, Scope } from '../../api/types.ts'
import { Button } from '../../ui/button.tsx'
import { Dialog } from '../../ui/dialog.tsx'
import { SelectField, TextField } from '../../ui/field.tsx'
import { FormError } from '../enter/form-error.tsx'

const scopes: { scope: Scope; text: string }[] = [
  { scope: 'chat', text: 'Chat with the instance: /v1 and conversations' },
  { scope: 'instances:read', text: 'See the instance, its logs and figures' },
  { scope: 'instances:write', text: 'Start, stop, restart and delete it' },
  { scope: 'organization:read', text: 'See members and the organization' },
  { scope: 'organization:write', text: 'Change members and the organization' },
  { scope: 'credits:read', text: 'See credits, prices and usage' },
  { scope: 'credits:write', text: 'Buy credits and set budgets' },
]

const lifetimes = [
  { days: '30', label: '30 days' },
  { days: '90', label: '90 days' },
  { days: '365', label: '1 year' },
  { days: '', label: 'Does not expire' },
]

interface CreateApiKeyDialogProps {
  onClose: () => void
  onCreated: (apiKey: NewApiKey) => void
}

export function CreateApiKeyDialog({ onClose, onCreated }: CreateApiKeyDialogProps) {
  const client = useQueryClient()
  const [name, setName] = useState('')
  const [chosen, setChosen] = useState<Scope[]>(['chat', 'instances:read'])
  const [days, setDays] = useState('90')
  const create = useMutation({
    meta: { showsError: true },
    mutationFn: () => {
      const body: CreateApiKey = { name, scopes: chosen, expiresInDays: days ? Number(days) : null }
      return call<NewApiKey>('POST', '/api/api-keys', { body })
    },
    onSuccess: async (apiKey) => {
      onCreated(apiKey)
      await client.invalidateQueries({ queryKey: apiKeysQuery.queryKey })
    },
  })
  const toggle = (scope: Scope) =>
    setChosen((now) => (now.includes(scope) ? now.filter((one) => one !== scope) : [...now, scope]))
  return (
    <Dialog open onClose={onClose} title="Create an API key">
      <form
        className="space-y-4"
        onSubmit={(event) => {
          event.preventDefault()
          create.mutate()
        }}
      >
        <TextField
          label="Key name"
          placeholder="What it is for"
          required
          maxLength={100}
          autoComplete="off"
          value={name}
          onChange={(event) => setName(event.target.value)}
          error={fieldMessage(create.error, 'name')}
        />
        <fieldset>
          <legend className="mb-1.5 text-sm font-medium">Scopes</legend>
          <div className="space-y-1.5">
            {scopes.map(({ scope, text }) => (
              <label key={scope} className="flex items-start gap-2.5 text-sm">
                <input
                  type="checkbox"
                  aria-label={scope}
                  checked={chosen.includes(scope)}
                  onChange={() => toggle(scope)}
                  className="mt-[3px] size-4"
                />
                <span>
                  <code className="font-mono text-[0.8125rem] font-semibold">{scope}</code>
                  <span className="block text-[0.8125rem] text-ink-faint">{text}</span>
                </span>
              </label>
            ))}
          </div>
        </fieldset>
        <SelectField label="Expiry" value={days} onChange={(event) => setDays(event.target.value)}>
          {lifetimes.map((lifetime) => (
            <option key={lifetime.days} value={lifetime.days}>
              {lifetime.label}
            </option>
          ))}
        </SelectField>
        <FormError error={create.error} fields={['name']} />
        <div className="flex justify-end gap-2 pt-1">
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" variant="primary" pending={create.isPending} disabled={chosen.length === 0}>
            Create API key
          </Button>
        </div>
      </form>
    </Dialog>
  )
}
