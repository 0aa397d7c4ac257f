import type { DomainProof, DomainState } from '../../db/tables/domains.ts'
import type { Resolver } from './resolver.ts'

/** What the DNS says of a domain. */
export type Findings =
  | { kind: 'proven'; proof: DomainProof; pointsHere: boolean }
  | { kind: 'unproven'; found: string[]; pointsHere: boolean }
  /** Nobody could say. */
  | { kind: 'unknown'; reason: string }

export interface WantedRecords {
  hostname: string
  token: string
  /** The instance's own name: who points a name there shows that it is meant for this instance. */
  instanceName: string
}

export function txtName(hostname: string): string {
  return `_reef.${hostname}`
}

export function txtValue(token: string): string {
  return `reef-verify=${token}`
}

/**
 * An address record is no proof: all instances share the ingress's addresses, so it does not say whose the name is. It is
 * only told to the owner whether the name leads here.
 */
export async function lookUp(resolver: Resolver, wanted: WantedRecords): Promise<Findings> {
  const { hostname, instanceName } = wanted
  try {
    const [txt, cname, addresses, ingress] = await Promise.all([
      resolver.txt(txtName(hostname)),
      resolver.cname(hostname),
      resolver.addresses(hostname),
      // Whether it leads here is a courtesy; that the ingress's own name cannot be looked up is not the owner's problem.
      resolver.addresses(instanceName).catch((): string[] => []),
    ])
    const byName = cname.includes(instanceName)
    const pointsHere = byName || addresses.some((address) => ingress.includes(address))
    if (txt.includes(txtValue(wanted.token))) return { kind: 'proven', proof: 'txt', pointsHere }
    if (byName) return { kind: 'proven', proof: 'cname', pointsHere }
    return { kind: 'unproven', found: txt, pointsHere }
  } catch (error) {
    return { kind: 'unknown', reason: (error as NodeJS.ErrnoException).code ?? (error as Error).message }
  }
}

export interface DomainFacts {
  state: DomainState
  createdAt: Date
  unprovenSince: Date | null
  /** Somebody else wants the name and waits for this proof to be gone. */
  contested: boolean
}

export interface DomainChange {
  state: DomainState
  proof?: DomainProof
  problem: string | null
  pointsHere?: boolean
  unprovenSince: Date | null
  /** Null: nobody looks again until somebody asks. */
  nextCheckAt: Date | null
}

const minute = 60_000
const hour = 60 * minute
const day = 24 * hour
/** A record that was to be set and is not there after so long has been forgotten. */
const pendingMillisecondsMax = 7 * day
/** A proof that is gone may be a slip while somebody moves a zone. */
const unprovenMillisecondsMax = 3 * day
const verifiedEvery = day
const unprovenEvery = hour
const unknownEvery = 5 * minute

/** What follows from a look at the DNS. Pure. */
export function decide(facts: DomainFacts, findings: Findings, now: Date): DomainChange {
  const after = (milliseconds: number): Date => new Date(now.getTime() + milliseconds)
  switch (findings.kind) {
    case 'proven':
      return {
        state: 'verified',
        proof: findings.proof,
        problem: findings.pointsHere
          ? null
          : 'The domain is yours, and it does not lead here yet: set the CNAME record too.',
        pointsHere: findings.pointsHere,
        unprovenSince: null,
        nextCheckAt: after(findings.pointsHere ? verifiedEvery : unprovenEvery),
      }
    case 'unknown':
      return {
        state: facts.state,
        problem: `The DNS did not answer (${findings.reason}). This is tried again by itself.`,
        unprovenSince: facts.unprovenSince,
        nextCheckAt: after(unknownEvery),
      }
    case 'unproven':
      return facts.state === 'verified'
        ? decideLost(facts, findings, now)
        : decideMissing(facts, findings, now)
  }
}

function decideMissing(
  facts: DomainFacts,
  findings: Extract<Findings, { kind: 'unproven' }>,
  now: Date,
): DomainChange {
  const age = now.getTime() - facts.createdAt.getTime()
  const isOver = age > pendingMillisecondsMax
  const problem =
    findings.found.length > 0
      ? `There is a TXT record, and it says something else: ${findings.found.join(', ').slice(0, 200)}`
      : 'The TXT record is not there yet. A new one can take an hour to be seen everywhere.'
  return {
    state: isOver ? 'failed' : 'pending',
    problem: isOver ? `${problem} Nobody looks any more; check it yourself once it is set.` : problem,
    pointsHere: findings.pointsHere,
    unprovenSince: null,
    // Often while somebody waits for it, then ever more rarely.
    nextCheckAt: isOver ? null : new Date(now.getTime() + Math.min(hour, Math.max(minute / 2, age / 4))),
  }
}

function decideLost(
  facts: DomainFacts,
  findings: Extract<Findings, { kind: 'unproven' }>,
  now: Date,
): DomainChange {
  const since = facts.unprovenSince ?? now
  const isOver = facts.contested || now.getTime() - since.getTime() > unprovenMillisecondsMax
  return {
    state: isOver ? 'failed' : 'verified',
    problem: isOver
      ? 'The record that proved that the domain is yours is gone. Set it again and check.'
      : 'The record that proves that the domain is yours is gone. Set it again within three days.',
    pointsHere: findings.pointsHere,
    unprovenSince: since,
    nextCheckAt: isOver ? null : new Date(now.getTime() + unprovenEvery),
  }
}
