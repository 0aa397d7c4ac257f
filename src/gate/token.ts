import type { RootSecret } from '../secrets.ts'

/** What the gate of a host shows to the control plane, and what opens its inbound listener. */
export function gateToken(secret: RootSecret, hostName: string): string {
  return secret.deriveToken('gate', hostName)
}
