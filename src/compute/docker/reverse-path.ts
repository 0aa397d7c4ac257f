import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import type { PreflightCheck } from '../../domain/instances/compute.ts'

const strict = 1
const loose = 2

/**
 * Whether this machine's new bridges refuse datagrams whose sender does not belong there. Docker gives a slot's bridge no
 * address of the host, but Linux hands what comes to 255.255.255.255 to every program that listens at all addresses.
 */
export function checkReversePath(
  readFilter: (name: string) => number = readReversePathFilter,
  isRoot = process.getuid?.() === 0,
): PreflightCheck {
  const name = 'broadcasts'
  try {
    if (isRoot && readFilter('all') !== loose)
      return { name, ok: true, detail: 'Reef itself keeps datagrams to everybody from the host.' }
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

/**
 * Lets a slot's bridge refuse datagrams whose sender does not belong there. Reef may do so where it is root on the engine's
 * own machine; elsewhere the preflight says what the operator has to do once.
 */
export async function refuseBroadcasts(networkId: string): Promise<void> {
  const path = `/proc/sys/net/ipv4/conf/br-${networkId.slice(0, 12)}/rp_filter`
  await writeFile(path, String(strict)).catch(() => undefined)
}
