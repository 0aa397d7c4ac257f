import { accessToken } from './auth.ts'
import { creditsKey } from './credits.ts'
import { currentOrganizationId } from './organization.ts'
import { queryClient } from './query-client.ts'
import { createRealtime } from './realtime.ts'
import type { Instance, InstanceStatus, Me } from './types.ts'

export const realtime = createRealtime({
  url: () => `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/realtime`,
  accessToken,
  organizationId: currentOrganizationId,
  onReconnected: () => void queryClient.invalidateQueries({ queryKey: ['me'] }),
  onCreditsChanged: () => void queryClient.invalidateQueries({ queryKey: creditsKey }),
})

/** Puts what is known of the instance where every page reads it. */
export function acceptInstance(instance: Instance): void {
  queryClient.setQueryData<Me>(['me'], (me) => {
    if (!me) return me
    // Stopped for lack of credits, or no longer: the balance says so too.
    if (me.instance?.reason?.code !== instance.reason?.code)
      void queryClient.invalidateQueries({ queryKey: creditsKey })
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
