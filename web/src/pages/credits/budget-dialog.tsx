import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { type FormEvent, useState } from 'react'
import { call } from '../../api/client.ts'
import { agentsQuery, budgetsQuery, creditsKey } from '../../api/credits.ts'
import { fieldMessage } from '../../api/errors.ts'
import { instancesQuery, membersQuery } from '../../api/queries.ts'
import type { Budget, NewBudget } from '../../api/types.ts'
import { useMe } from '../../app/use-me.ts'
import { Button } from '../../ui/button.tsx'
import { amountText, parseCredits } from '../../ui/credits.ts'
import { Dialog } from '../../ui/dialog.tsx'
import { SelectField, TextField } from '../../ui/field.tsx'
import { ErrorNotice } from '../../ui/notice.tsx'
import { budgetText } from './words.ts'

const fields = ['scope', 'subjectId', 'period', 'limitMicros']

/** Makes a budget, or changes the limit of one: what it is for and for how long stays. */
export function BudgetDialog({ budget, onClose }: { budget: Budget | undefined; onClose: () => void }) {
  const client = useQueryClient()
  const [scope, setScope] = useState<NewBudget['scope']>('organization')
  const [subjectId, setSubjectId] = useState('')
  const [period, setPeriod] = useState<NewBudget['period']>('month')
  const [limit, setLimit] = useState(budget ? amountText(budget.limitMicros) : '')
  const save = useMutation({
    meta: { showsError: true },
    mutationFn: () => {
      // An amount that is none becomes zero, which the server refuses with the reason.
      const limitMicros = parseCredits(limit) ?? 0
      if (budget) return call<Budget>('PUT', `/api/credits/budgets/${budget.id}`, { body: { limitMicros } })
      const body: NewBudget = {
        scope,
        period,
        limitMicros,
        ...(scope === 'organization' ? {} : { subjectId }),
      }
      return call<Budget>('POST', '/api/credits/budgets', { body })
    },
    onSuccess: async () => {
      await client.invalidateQueries({ queryKey: creditsKey })
      await client.invalidateQueries({ queryKey: budgetsQuery.queryKey })
      onClose()
    },
  })
  const submit = (event: FormEvent) => {
    event.preventDefault()
    save.mutate()
  }
  const agents = useQuery({ ...agentsQuery, enabled: !budget })
  const elsewhere = save.error && !fields.some((field) => fieldMessage(save.error, field))
  return (
    <Dialog
      open
      onClose={onClose}
      title={budget ? 'Change the limit' : 'Add a budget'}
      description={
        budget
          ? `${budgetText(budget)}, per ${budget.period}.`
          : 'What was spent in the present day or month already counts.'
      }
    >
      <form onSubmit={submit} className="space-y-4">
        {!budget && (
          <>
            <SelectField
              label="For"
              hint={
                agents.data?.length === 0 &&
                'Agents can be chosen here once one has used credits; so far none has.'
              }
              value={scope}
              onChange={(event) => {
                // The options are these scopes and nothing else.
                setScope(event.target.value as NewBudget['scope'])
                setSubjectId('')
              }}
            >
              <option value="organization">The whole organization</option>
              <option value="member">A member</option>
              <option value="instance">An instance</option>
              {agents.data && agents.data.length > 0 && <option value="agent">An agent</option>}
            </SelectField>
            {scope === 'member' && (
              <MemberField
                value={subjectId}
                onChange={setSubjectId}
                error={fieldMessage(save.error, 'subjectId')}
              />
            )}
            {scope === 'instance' && (
              <InstanceField
                value={subjectId}
                onChange={setSubjectId}
                error={fieldMessage(save.error, 'subjectId')}
              />
            )}
            {scope === 'agent' && (
              <AgentField
                agentIds={agents.data ?? []}
                value={subjectId}
                onChange={setSubjectId}
                error={fieldMessage(save.error, 'subjectId')}
              />
            )}
            <SelectField
              label="Per"
              value={period}
              // The options are these periods and nothing else.
              onChange={(event) => setPeriod(event.target.value as NewBudget['period'])}
            >
              <option value="day">Day</option>
              <option value="month">Month</option>
            </SelectField>
          </>
        )}
        <TextField
          label="Credits"
          required
          inputMode="decimal"
          placeholder="100"
          value={limit}
          onChange={(event) => setLimit(event.target.value)}
          error={fieldMessage(save.error, 'limitMicros')}
        />
        {elsewhere && <ErrorNotice error={save.error} />}
        <div className="flex justify-end gap-2">
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" variant="primary" pending={save.isPending}>
            {budget ? 'Save limit' : 'Add this budget'}
          </Button>
        </div>
      </form>
    </Dialog>
  )
}

interface SubjectFieldProps {
  value: string
  onChange: (id: string) => void
  error: string | undefined
}

function MemberField({ value, onChange, error }: SubjectFieldProps) {
  const { organization } = useMe()
  const members = useQuery(membersQuery(organization.id))
  return (
    <SelectField
      label="Member"
      required
      value={value}
      error={error}
      onChange={(event) => onChange(event.target.value)}
    >
      <option value="">Choose</option>
      {members.data?.map((member) => (
        <option key={member.userId} value={member.userId}>
          {member.name} ({member.email})
        </option>
      ))}
    </SelectField>
  )
}

function InstanceField({ value, onChange, error }: SubjectFieldProps) {
  const instances = useQuery(instancesQuery)
  return (
    <SelectField
      label="Instance"
      required
      value={value}
      error={error}
      onChange={(event) => onChange(event.target.value)}
    >
      <option value="">Choose</option>
      {instances.data?.map((instance) => (
        <option key={instance.id} value={instance.id}>
          {instance.name} ({instance.slug})
        </option>
      ))}
    </SelectField>
  )
}

/** Agents have no names yet: they are known by what they used. */
function AgentField({ agentIds, value, onChange, error }: SubjectFieldProps & { agentIds: string[] }) {
  return (
    <SelectField
      label="Agent"
      required
      value={value}
      error={error}
      onChange={(event) => onChange(event.target.value)}
    >
      <option value="">Choose</option>
      {agentIds.map((id) => (
        <option key={id} value={id}>
          {id}
        </option>
      ))}
    </SelectField>
  )
}
