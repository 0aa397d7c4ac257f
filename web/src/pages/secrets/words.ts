import type { SecretEvent, SecretScope } from '../../api/types.ts'

export const scopes: Record<SecretScope, { label: string; hint: string }> = {
  instance: { label: 'This instance', hint: 'Kept until you remove it.' },
  session: {
    label: 'This session',
    hint: 'Gone when the open session ends, for example when it falls asleep.',
  },
  organization: { label: 'Organization', hint: 'For every instance of the organization.' },
}

export const eventText: Record<SecretEvent['kind'], string> = {
  created: 'Added',
  rotated: 'Given a new value',
  exposed: 'Shown to commands',
  hidden: 'Hidden from commands',
  removed: 'Removed',
  ended: 'Ended with its session',
  delivered: 'Given to the instance',
}

/** How OpenClaw's configuration refers to a secret. */
export function referenceTo(name: string): string {
  return JSON.stringify({ source: 'file', provider: 'reef', id: `/${name}` }, null, 2)
}
