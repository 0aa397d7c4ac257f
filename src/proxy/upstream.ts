import type { InstanceTarget } from '../domain/instances/target.ts'
import type { RootSecret } from '../secrets.ts'

/** Where a request goes and what is said there on behalf of the proxy. */
export interface Upstream {
  /** Scheme, host and port. */
  origin: string
  /** Host and port, for the Host header. */
  authority: string
  /** Path before every request's path; empty, or without a slash at its end. */
  prefix: string
  /** The credential that the other end asks for: name, value. Never a client's. */
  credential: readonly string[]
  /** An OpenClaw without a supervisor in front of it: it is told nothing of Reef's own headers. */
  bare: boolean
}

/** A running OpenClaw that is used instead of instances. */
export interface LocalOpenclaw {
  url: string
  token: string | undefined
}

export function localUpstream(local: LocalOpenclaw): Upstream {
  return {
    ...place(local.url),
    credential: local.token === undefined ? [] : ['authorization', `Bearer ${local.token}`],
    bare: true,
  }
}

export type UpstreamOf = (target: InstanceTarget) => Upstream | undefined

/** Undefined while the target has no slot or no address. Derived once per target object, not per request. */
export function createUpstreams(secret: RootSecret, tokenHeader: string): UpstreamOf {
  const known = new WeakMap<InstanceTarget, Upstream>()
  return (target) => {
    const before = known.get(target)
    if (before) return before
    if (target.slotId === null || target.address === null) return undefined
    const upstream: Upstream = {
      ...place(target.address),
      credential: [tokenHeader, secret.deriveToken('proxy token', target.slotId)],
      bare: false,
    }
    known.set(target, upstream)
    return upstream
  }
}

function place(url: string): Pick<Upstream, 'origin' | 'authority' | 'prefix'> {
  const { origin, host, pathname } = new URL(url)
  return { origin, authority: host, prefix: pathname.replace(/\/+$/, '') }
}
