import { createBriefAnswers } from './brief-answers.ts'

/** Which names the ingress may get a certificate for: asked at handshakes, by anybody who can reach the port. */
export interface ServedNames {
  /** `later` when too many unknown names are asked for at the moment. */
  check(hostname: string): Promise<'served' | 'unknown' | 'later'>
}

export interface ServedNamesDeps {
  /** Instances answer at SLUG.domain. */
  domain: string
  /** Names of the dashboard, the API and the proxy themselves. */
  own: ReadonlySet<string>
  slugExists(slug: string): Promise<boolean>
  /** Whether it is somebody's verified custom domain. */
  isCustomDomain(hostname: string): Promise<boolean>
  monotonicNow?: () => number
  limits?: Partial<ServedNamesLimits>
}

export interface ServedNamesLimits {
  /** A name that is served may have ceased to be for so long; the certificate that it gets serves nobody. */
  servedMilliseconds: number
  /** A name that is unknown may have come into being: shorter than it takes a person to open it. */
  unknownMilliseconds: number
  /** Questions that go to the database, per second and at once. */
  lookUpsPerSecond: number
}

const standardLimits: ServedNamesLimits = {
  servedMilliseconds: 30_000,
  unknownMilliseconds: 2_000,
  lookUpsPerSecond: 50,
}

const hostPattern =
  /^(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/

export function createServedNames(deps: ServedNamesDeps): ServedNames {
  const limits = { ...standardLimits, ...deps.limits }
  const now = deps.monotonicNow ?? (() => performance.now())
  const answers = createBriefAnswers<boolean>(now)
  const budget = createBudget(limits.lookUpsPerSecond, now)
  const suffix = `.${deps.domain}`

  const lookUp = (hostname: string): Promise<boolean> => {
    if (!hostname.endsWith(suffix)) return deps.isCustomDomain(hostname)
    const slug = hostname.slice(0, -suffix.length)
    return slug.includes('.') ? Promise.resolve(false) : deps.slugExists(slug)
  }

  return {
    check: async (hostname) => {
      if (deps.own.has(hostname) || hostname === deps.domain) return 'served'
      if (!hostPattern.test(hostname)) return 'unknown'
      const known = answers.get(hostname)
      if (known !== undefined) return known ? 'served' : 'unknown'
      if (!budget.take()) return 'later'
      const served = await lookUp(hostname)
      answers.set(hostname, served, served ? limits.servedMilliseconds : limits.unknownMilliseconds)
      return served ? 'served' : 'unknown'
    },
  }
}

/** A bucket that fills with time and holds a second's worth. */
function createBudget(perSecond: number, now: () => number): { take(): boolean } {
  let left = perSecond
  let filledAt = now()
  return {
    take: () => {
      left = Math.min(perSecond, left + ((now() - filledAt) / 1000) * perSecond)
      filledAt = now()
      if (left < 1) return false
      left -= 1
      return true
    },
  }
}
