import { useMutation, useQueryClient } from '@tanstack/react-query'
import { call } from '../../api/client.ts'
import type { Egress, EgressRule } from '../../api/types.ts'
import { useMe } from '../../app/use-me.ts'
import { egressQuery } from './queries.ts'

/** Whose list a change is for. */
export type EgressPlace = 'instance' | 'organization'

export type EgressChange =
  | { kind: 'mode'; mode: Egress['ownMode'] }
  | { kind: 'put'; place: EgressPlace; domain: string; ports: number[] }
  | { kind: 'delete'; place: EgressPlace; domain: string }
  | { kind: 'preset'; place: EgressPlace; preset: string }
  | { kind: 'allow'; host: string; ports: number[] }

/**
 * Changes what the instance may reach. Allowing what was refused and removing a rule show at once and are taken back
 * should the server refuse; the rest waits for its answer.
 */
export function useEgressChange(instanceId: string, options: { showsError?: boolean } = {}) {
  const client = useQueryClient()
  const { organization } = useMe()
  const { queryKey } = egressQuery(instanceId)
  const addresses = {
    instance: `/api/instances/${instanceId}/egress`,
    organization: `/api/orgs/${organization.id}/egress`,
  }
  return useMutation({
    meta: { showsError: options.showsError ?? false },
    mutationFn: (change: EgressChange) => send(addresses, change),
    onMutate: async (change) => {
      const expected = client.getQueryData(queryKey)
      if (!expected) return undefined
      await client.cancelQueries({ queryKey })
      client.setQueryData(queryKey, { ...expected, rules: expectedRules(expected.rules, change) })
      return expected
    },
    onError: (_error, _change, before) => {
      if (before) client.setQueryData(queryKey, before)
    },
    onSuccess: (answer, change) => {
      // An answer about the organization's list is not what this page shows.
      if (isOfInstance(change)) client.setQueryData(queryKey, answer)
    },
    onSettled: () => client.invalidateQueries({ queryKey }),
  })
}

function isOfInstance(change: EgressChange): boolean {
  return !('place' in change) || change.place === 'instance'
}

function send(addresses: Record<EgressPlace, string>, change: EgressChange): Promise<Egress> {
  const { instance } = addresses
  switch (change.kind) {
    case 'mode':
      return call('PUT', instance, { body: { mode: change.mode } })
    case 'put': {
      const { domain, ports } = change
      return call('PUT', `${addresses[change.place]}/rules`, { body: { domain, ports } })
    }
    case 'delete':
      return call('DELETE', `${addresses[change.place]}/rules/${encodeURIComponent(change.domain)}`)
    case 'preset':
      return call('POST', `${addresses[change.place]}/presets/${change.preset}`, { body: {} })
    case 'allow':
      return call('POST', `${instance}/denied/${encodeURIComponent(change.host)}/allow`, { body: {} })
  }
}

function expectedRules(rules: EgressRule[], change: EgressChange): EgressRule[] {
  switch (change.kind) {
    case 'allow': {
      const { host: domain, ports } = change
      const others = rules.filter((rule) => rule.inherited || rule.domain !== domain)
      return [...others, { domain, ports, inherited: false, createdAt: new Date().toISOString() }]
    }
    case 'delete': {
      const inherited = change.place === 'organization'
      return rules.filter((rule) => rule.domain !== change.domain || rule.inherited !== inherited)
    }
    case 'mode':
    case 'put':
    case 'preset':
      return rules
  }
}
