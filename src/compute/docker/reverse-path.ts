import { readFileSync } from 'node:fs'
import type { PreflightCheck } from '../../domain/instances/compute.ts'

const strict = 1

/**
 * Whether this machine's new bridges refuse datagrams whose sender does not belong there. Docker gives a slot's bridge no
 * address of the host, but Linux hands what comes to 255.255.255.255 to every program that listens at all addresses.
 */
export function checkReversePath(
  readFilter: (name: string) => number = readReversePathFilter,
): PreflightCheck {
  const name = 'broadcasts'
  try {
    // The kernel takes the larger of the two; 2 accepts every sender that any route leads to.
    if (Math.max(readFilter('all'), readFilter('default')) === strict)
      return { name, ok: true, detail: 'Datagrams to everybody end in the network of their instance.' }
  } catch {
    // Not Linux: Docker runs in a machine of its own, whose programs are not this one's.
    return { name, ok: true, detail: 'The engine runs in a machine of its own.' }
  }
  return {
    name,
    ok: false,
    detail:
      "Datagrams of instances to 255.255.255.255 reach programs of this host that listen for such. Close it: printf 'net.ipv4.conf.default.rp_filter = 1\\nnet.ipv4.conf.br-*.rp_filter = 1\\n' > /etc/sysctl.d/90-reef.conf && sysctl --system",
  }
}

function readReversePathFilter(name: string): number {
  return Number(readFileSync(`/proc/sys/net/ipv4/conf/${name}/rp_filter`, 'utf8'))
}
