import { accessToken } from './auth.ts'
import { currentOrganizationId } from './organization.ts'
import { queryClient } from './query-client.ts'
import { createRealtime } from './realtime.ts'
import type { Instance, InstanceStatus, Me } from './types.ts'

export const realtime = createRealtime({
  url: () => `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/realtime`,
  accessToken,
  organizationId: currentOrganizationId,
  onReconnected: () => void queryClient.invalidateQueries({ queryKey: ['me'] }),
})

/** Puts what is known of the instance where every page reads it. */
export function acceptInstance(instance: Instance): void {
  queryClient.setQueryData<Me>(['me'], (me) => {
    if (!me) return me
    const gone = instance.status === 'deleted'
    return { ...me, instance: gone ? null : instance, status: statusOfMe(instance.status) }
  })
}

function statusOfMe(status: InstanceStatus): Me['status'] {
  switch (status) {
    case 'provisioning':
    case 'running':
    case 'suspended':
    case 'failed':
      return status
    case 'stopping':
    case 'stopped':
    case 'deleting':
    case 'deleted':
      return 'stopped'
  }
}
