import { type FormEvent, useState } from 'react'
import { fieldMessage } from '../../api/errors.ts'
import { Button } from '../../ui/button.tsx'
import { SelectField, TextField } from '../../ui/field.tsx'
import { FormError } from '../enter/form-error.tsx'
import { parsePorts } from './coverage.ts'
import { type EgressPlace, useEgressChange } from './use-egress-change.ts'

interface AddRuleFormProps {
  instanceId: string
  place: EgressPlace
  /** For those who may change the organization's list too. */
  onPlace: ((place: EgressPlace) => void) | undefined
}

export function AddRuleForm({ instanceId, place, onPlace }: AddRuleFormProps) {
  const change = useEgressChange(instanceId, { showsError: true })
  const [domain, setDomain] = useState('')
  const [portsTyped, setPortsTyped] = useState('')
  const [badPorts, setBadPorts] = useState(false)
  const submit = (event: FormEvent) => {
    event.preventDefault()
    const ports = parsePorts(portsTyped)
    setBadPorts(ports === undefined)
    if (!ports) return
    const clear = () => {
      setDomain('')
      setPortsTyped('')
    }
    change.mutate({ kind: 'put', place, domain: domain.trim(), ports }, { onSuccess: clear })
  }
  return (
    <form onSubmit={submit} className="space-y-3">
      <div className="flex flex-wrap items-start gap-3">
        <div className="min-w-0 flex-1 basis-56">
          <TextField
            label="Domain"
            placeholder="example.com or *.example.com"
            required
            autoComplete="off"
            autoCapitalize="none"
            spellCheck={false}
            value={domain}
            onChange={(event) => setDomain(event.target.value)}
            error={fieldMessage(change.error, 'domain')}
          />
        </div>
        <div className="min-w-0 flex-1 basis-32 sm:max-w-40">
          <TextField
            label="Ports"
            placeholder="80, 443"
            autoComplete="off"
            inputMode="numeric"
            value={portsTyped}
            onChange={(event) => setPortsTyped(event.target.value)}
            error={
              badPorts ? 'Numbers from 1 to 65535, such as 443, 8443.' : fieldMessage(change.error, 'ports')
            }
          />
        </div>
        {onPlace && (
          <div className="min-w-0 flex-1 basis-36 sm:max-w-44">
            <SelectField
              label="For"
              value={place}
              onChange={(event) => onPlace(event.target.value as EgressPlace)}
            >
              <option value="instance">This instance</option>
              <option value="organization">Organization</option>
            </SelectField>
          </div>
        )}
        <Button
          type="submit"
          variant="primary"
          pending={change.isPending}
          className="h-10 w-full sm:mt-6.5 sm:w-auto"
        >
          Allow
        </Button>
      </div>
      <FormError error={change.error} fields={['domain', 'ports']} />
    </form>
  )
}
