import type { InstanceStatus } from '../../db/schema.ts'
import type { Principal } from '../accounts/principal.ts'

/** What the proxy needs to know of an instance to forward a request to it. */
export interface InstanceTarget {
  instanceId: string
  organizationId: string
  ownerUserId: string
  slug: string
  status: InstanceStatus
  /** Its owner wants it running. What a person stopped is not woken by traffic. */
  wanted: boolean
  /** It is wanted, and sleeps or is about to: whoever needs it wakes it. */
  asleep: boolean
  /** Set while it may not run though it is wanted, for lack of credits. */
  hold: 'credits' | 'budget' | null
  /** Why it takes longer than usual, for its owner. */
  reason: string | null
  /** Null until the slot has one. */
  slotId: string | null
  /** Base URL of the supervisor's port; null until it is known. */
  address: string | null
  /** True once OpenClaw behind it has said that it takes requests. */
  ready: boolean
}

/**
 * Finds instances for the proxy. What the caller may not see is `undefined`, exactly as what does not exist.
 * Answers may be up to one second old.
 */
export interface InstanceTargets {
  /** The caller's own instance in the organization they act in. */
  findByCaller(principal: Principal): Promise<InstanceTarget | undefined>
  /** The instance of one of the caller's sessions. */
  findBySession(principal: Principal, sessionId: string): Promise<InstanceTarget | undefined>
  /** By the name in its address; the proxy checks the visitor itself, with `mayVisit`. */
  findBySlug(slug: string): Promise<InstanceTarget | undefined>
  /** Whether this person may (still) open that instance's own address. */
  mayVisit(userId: string, instanceId: string): Promise<boolean>
}

/** Who is behind a model call: the slot, and the tenant it is assigned to, if any. */
export interface ModelCaller {
  slotId: string
  slotState: 'initializing' | 'available' | 'assigned'
  organizationId: string | null
  /** The instance's owner. */
  userId: string | null
  instanceId: string | null
  sessionId: string | null
}

export interface ModelCallers {
  /** Undefined for a slot that is unknown, terminating or removed. May be up to one second old. */
  findBySlot(slotId: string): Promise<ModelCaller | undefined>
}
