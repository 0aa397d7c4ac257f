import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { call } from '../../api/client.ts'
import { fieldMessage } from '../../api/errors.ts'
import type { Instance, Secret, SecretScope } from '../../api/types.ts'
import { useMe } from '../../app/use-me.ts'
import { Button } from '../../ui/button.tsx'
import { Dialog } from '../../ui/dialog.tsx'
import { SelectField, TextField } from '../../ui/field.tsx'
import { showDone } from '../../ui/toast.tsx'
import { FormError } from '../enter/form-error.tsx'
import { mayAdministrate } from '../settings/permissions.ts'
import { secretAddress } from './address.ts'
import { refreshSecrets } from './queries.ts'
import { ValueField } from './value-field.tsx'
import { scopes } from './words.ts'

interface SecretDialogProps {
  instance: Instance
  /** The one that gets a new value; null for a new one. */
  secret: Secret | null
  onClose: () => void
}

export function SecretDialog({ instance, secret, onClose }: SecretDialogProps) {
  const { organization } = useMe()
  const client = useQueryClient()
  const [name, setName] = useState(secret?.name ?? '')
  const [value, setValue] = useState('')
  const [scope, setScope] = useState<SecretScope>(secret?.scope ?? 'instance')
  const [exposeToTools, setExposeToTools] = useState(secret?.exposeToTools ?? false)
  const save = useMutation({
    meta: { showsError: true },
    mutationFn: () => {
      const place = { scope, organizationId: organization.id, instanceId: instance.id }
      const change = { value, exposeToTools }
      return call<Secret>('PUT', secretAddress(place, name), {
        body: scope === 'organization' ? change : { ...change, scope },
      })
    },
    onSuccess: async (saved) => {
      onClose()
      showDone(secret ? `${saved.name} has a new value.` : `${saved.name} is kept.`)
      await refreshSecrets(client, instance.id)
    },
  })
  const choices = (['instance', 'session', 'organization'] as const).filter(
    (one) =>
      (one !== 'organization' || mayAdministrate(organization)) &&
      (one !== 'session' || instance.sessionId !== null || scope === 'session'),
  )
  return (
    <Dialog open onClose={onClose} title={secret ? `Replace ${secret.name}` : 'Add a secret'}>
      <form
        className="space-y-4"
        autoComplete="off"
        onSubmit={(event) => {
          event.preventDefault()
          save.mutate()
        }}
      >
        {!secret && (
          <>
            <TextField
              label="Name"
              placeholder="GITHUB_TOKEN"
              hint="Capital letters, digits and underscores, like an environment variable."
              required
              maxLength={128}
              autoCapitalize="characters"
              autoComplete="off"
              spellCheck={false}
              className="font-mono"
              value={name}
              onChange={(event) => setName(event.target.value.toUpperCase())}
              error={fieldMessage(save.error, 'name')}
            />
            <SelectField
              label="For"
              value={scope}
              onChange={(event) => setScope(event.target.value as SecretScope)}
              hint={scopes[scope].hint}
            >
              {choices.map((one) => (
                <option key={one} value={one}>
                  {scopes[one].label}
                </option>
              ))}
            </SelectField>
          </>
        )}
        <ValueField
          label={secret ? 'New value' : 'Value'}
          value={value}
          onChange={setValue}
          error={fieldMessage(save.error, 'value')}
        />
        <label className="flex items-start gap-2.5 text-sm">
          <input
            type="checkbox"
            checked={exposeToTools}
            onChange={(event) => setExposeToTools(event.target.checked)}
            className="mt-[3px] size-4"
          />
          <span>
            <span className="font-medium">Show it to commands</span>
            <span className="block text-[0.8125rem] text-ink-faint">
              Commands that the agent runs have it as an environment variable, so whoever can talk the agent
              into something can have it used. Leave this off where OpenClaw’s configuration is all that needs
              it.
            </span>
          </span>
        </label>
        <FormError error={save.error} fields={secret ? ['value'] : ['name', 'value']} />
        <div className="flex justify-end gap-2 pt-1">
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" variant="primary" pending={save.isPending}>
            {secret ? 'Replace value' : 'Keep secret'}
          </Button>
        </div>
      </form>
    </Dialog>
  )
}
