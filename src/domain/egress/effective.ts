import type { EgressMode } from '../../db/tables/egress.ts'

export interface Rule {
  domain: string
  /** Empty: the web's, 80 and 443. */
  ports: number[]
}

/** What somebody has set, for an organization or for one instance. */
export interface Wished {
  mode: EgressMode | null
  rules: Rule[]
}

export interface Effective {
  /** `none`: a slot that nobody owns yet. */
  mode: EgressMode | 'none'
  rules: Rule[]
}

/**
 * What holds for an instance: its own mode before its organization's, and the rules of both. `open` holds only while
 * the operator permits it; taken back, it becomes the allow-list again.
 */
export function effectiveEgress(
  organization: Wished | null,
  instance: Wished | null,
  openPermitted: boolean,
): Effective {
  if (organization === null) return { mode: 'none', rules: [] }
  const wished = instance?.mode ?? organization.mode ?? 'allow_list'
  const mode = wished === 'open' && !openPermitted ? 'allow_list' : wished
  return { mode, rules: [...organization.rules, ...(instance?.rules ?? [])] }
}
