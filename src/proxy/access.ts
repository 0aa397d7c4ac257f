import { hash } from 'node:crypto'
import type { Clock } from '../clock.ts'
import {
  type Authenticator,
  type LogIns,
  type Principal,
  requireScope,
} from '../domain/accounts/principal.ts'
import type { InstanceTarget, InstanceTargets } from '../domain/instances/target.ts'
import { notFound } from '../errors.ts'
import { createBriefMemory } from './brief-memory.ts'
import { Refusal } from './refusal.ts'
import { header, headerList, isRepeated, type RequestHead } from './request-head.ts'
import type { Visit, VisitCookie } from './visit-cookie.ts'

/** Finds one target again and again while a request waits for it; `fresh` skips what is remembered. */
export type FindTarget = (fresh: boolean) => InstanceTarget | Promise<InstanceTarget>

/** Who may reach which instance. Every answer throws rather than say anything to a stranger. */
export interface Access {
  /** Only checks the credential; for an OpenClaw that belongs to whoever runs Reef. */
  caller(head: RequestHead): Principal | Promise<Principal>
  /** The caller's instance, or that of one of their sessions. */
  forCaller(head: RequestHead, sessionId: string | undefined): FindTarget
  /** The visit that the request's cookie proves and the instance still allows. */
  visit(head: RequestHead, slug: string): Promise<Visit>
  forVisit(visit: Visit): FindTarget
  /** Whoever may call its webhooks: that is for the instance itself to say. */
  forWebhook(slug: string): FindTarget
  /** Whether an open connection of this visit may stay. */
  mayStay(visit: Visit): boolean | Promise<boolean>
}

export interface AccessDeps {
  authenticator: Authenticator
  logIns: LogIns
  targets: InstanceTargets
  cookie: VisitCookie
  clock: Clock
  /** How long an answer of the authenticator, the log-ins or the targets is used again. */
  rememberedMilliseconds: number
}

export function createAccess(deps: AccessDeps): Access {
  const { rememberedMilliseconds } = deps
  const callers = createBriefMemory<Principal>(rememberedMilliseconds)
  const targets = createBriefMemory<InstanceTarget | undefined>(rememberedMilliseconds)
  const visitors = createBriefMemory<boolean>(rememberedMilliseconds)

  const credentialOf = (head: RequestHead) => ({
    authorization: header(head, 'authorization'),
    organizationId: header(head, 'reef-organization'),
  })

  const keyOf = (head: RequestHead): string => {
    if (isRepeated(head, 'authorization') || isRepeated(head, 'reef-organization'))
      throw new Refusal(400, 'bad_request', 'Authorization and reef-organization may each come once only.')
    const { authorization, organizationId } = credentialOf(head)
    // Hashed so that no credential lies in memory longer than its request.
    return hash('sha256', `${authorization ?? ''}\n${organizationId ?? ''}`, 'base64')
  }

  const authenticate = async (head: RequestHead): Promise<Principal> => {
    const principal = await deps.authenticator.authenticate(credentialOf(head))
    requireScope(principal, 'chat')
    return principal
  }

  const find = (
    key: string,
    load: () => Promise<InstanceTarget | undefined>,
    fresh: boolean,
  ): InstanceTarget | Promise<InstanceTarget> => {
    if (fresh) targets.forget(key)
    const found = targets.get(key, load)
    return found instanceof Promise ? found.then(present) : present(found)
  }

  const isAllowed = async ({ userId, familyId, instanceId }: Visit): Promise<boolean> => {
    const answers = await Promise.all([
      deps.logIns.isOpen(userId, familyId),
      deps.targets.mayVisit(userId, instanceId),
    ])
    return answers.every(Boolean)
  }

  const mayStay: Access['mayStay'] = (visit) =>
    visit.expiresAt > deps.clock.now().getTime() &&
    visitors.get(`${visit.userId} ${visit.familyId} ${visit.instanceId}`, () => isAllowed(visit))

  return {
    caller: (head) => callers.get(keyOf(head), () => authenticate(head)),
    forCaller: (head, sessionId) => {
      const key = keyOf(head)
      const load = async (): Promise<InstanceTarget | undefined> => {
        const principal = await callers.get(key, () => authenticate(head))
        return sessionId === undefined
          ? deps.targets.findByCaller(principal)
          : deps.targets.findBySession(principal, sessionId)
      }
      return (fresh) => find(sessionId === undefined ? key : `${key} ${sessionId}`, load, fresh)
    },
    visit: async (head, slug) => {
      const visit = deps.cookie.read(headerList(head, 'cookie', '; '), slug, deps.clock.now())
      if (!visit || !(await mayStay(visit))) throw visitRequired()
      return visit
    },
    forVisit: (visit) => async (fresh) => {
      const target = await find(`slug ${visit.slug}`, () => deps.targets.findBySlug(visit.slug), fresh)
      // A name that was given up and taken by somebody else is not the one that was visited.
      if (target.instanceId !== visit.instanceId) throw visitRequired()
      return target
    },
    forWebhook: (slug) => (fresh) => find(`slug ${slug}`, () => deps.targets.findBySlug(slug), fresh),
    mayStay,
  }
}

function present(target: InstanceTarget | undefined): InstanceTarget {
  if (!target) throw notFound('no target')
  return target
}

function visitRequired(): Refusal {
  return new Refusal(
    401,
    'visit_required',
    'Open this OpenClaw from the Reef dashboard: that signs you in here.',
  )
}
