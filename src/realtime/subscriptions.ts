import { type Principal, requireScope } from '../domain/accounts/principal.ts'
import type { InstanceService } from '../domain/instances/service.ts'
import { conflict, ReefError } from '../errors.ts'
import { toReefError } from '../http/errors.ts'
import type { SlotLogs } from '../link/slot-logs.ts'
import type { ToClient, Topic } from './messages.ts'

export interface SubscriptionDeps {
  instances: Pick<InstanceService, 'get' | 'findSlotId'>
  logs: Pick<SlotLogs, 'follow'>
  send(message: ToClient): void
}

/** What one client has subscribed to. */
export interface Subscriptions {
  has(instanceId: string): boolean
  instanceIds(): string[]
  add(principal: Principal, topic: Topic, instanceId: string): Promise<void>
  remove(topic: Topic, instanceId: string): void
  /** Looks again and sends what differs from what was sent last; ends subscriptions to what is not seen any more. */
  refresh(principal: Principal, instanceId: string): Promise<void>
  clear(): void
}

interface Subscription {
  refresh(principal: Principal): Promise<void>
  end(): void
}

const subscriptionsMax = 50
const tailLinesMax = 200

export function createSubscriptions(deps: SubscriptionDeps): Subscriptions {
  const byInstance = new Map<string, Map<Topic, Subscription>>()
  let count = 0

  const remove = (topic: Topic, instanceId: string): void => {
    const topics = byInstance.get(instanceId)
    const subscription = topics?.get(topic)
    if (!topics || !subscription) return
    count -= 1
    topics.delete(topic)
    if (topics.size === 0) byInstance.delete(instanceId)
    subscription.end()
  }
  const fail = (topic: Topic, instanceId: string, error: ReefError): void => {
    remove(topic, instanceId)
    deps.send({ type: 'error', error: { code: error.code, message: error.message }, topic, instanceId })
  }
  const add = async (principal: Principal, topic: Topic, instanceId: string): Promise<void> => {
    try {
      // A key learns nothing from what it may not do: this throws what an unknown instance does.
      requireScope(principal, 'instances:read')
      remove(topic, instanceId)
      if (count >= subscriptionsMax)
        throw conflict(
          'too_many_subscriptions',
          `One connection takes ${subscriptionsMax}. Open another one.`,
        )
      const subscription =
        topic === 'instance' ? watchInstance(deps, instanceId) : watchLogs(deps, instanceId)
      byInstance.set(instanceId, (byInstance.get(instanceId) ?? new Map()).set(topic, subscription))
      count += 1
      await subscription.refresh(principal)
    } catch (error) {
      fail(topic, instanceId, toReefError(error))
    }
  }
  return {
    has: (instanceId) => byInstance.has(instanceId),
    instanceIds: () => [...byInstance.keys()],
    add,
    remove,
    refresh: async (principal, instanceId) => {
      for (const [topic, subscription] of [...(byInstance.get(instanceId) ?? [])])
        try {
          await subscription.refresh(principal)
        } catch (error) {
          // Only a clear answer ends it; while the database restarts nothing is known.
          if (error instanceof ReefError && error.kind === 'notFound') fail(topic, instanceId, error)
        }
    },
    clear: () => {
      for (const [instanceId, topics] of [...byInstance])
        for (const topic of [...topics.keys()]) remove(topic, instanceId)
    },
  }
}

function watchInstance(deps: SubscriptionDeps, instanceId: string): Subscription {
  let sent = ''
  return {
    refresh: async (principal) => {
      const instance = await deps.instances.get(principal, instanceId)
      const text = JSON.stringify(instance)
      if (text === sent) return
      sent = text
      deps.send({ type: 'instance', instance })
    },
    end: () => undefined,
  }
}

/** Follows the log of the instance's slot, and of the one it gets later if it has none yet. */
function watchLogs(deps: SubscriptionDeps, instanceId: string): Subscription {
  let followed: string | null | undefined
  let unfollow: (() => void) | undefined
  let ended = false
  return {
    refresh: async (principal) => {
      const slotId = await deps.instances.findSlotId(principal, instanceId)
      if (ended || slotId === followed) return
      unfollow?.()
      followed = slotId
      const pass = (lines: Parameters<Parameters<SlotLogs['follow']>[2]>[0]): void =>
        deps.send({ type: 'logs', instanceId, lines })
      if (slotId === null) pass([])
      unfollow = slotId === null ? undefined : deps.logs.follow(slotId, tailLinesMax, pass)
    },
    end: () => {
      ended = true
      unfollow?.()
    },
  }
}
