import { readFileSync } from 'node:fs'

/** Where the kernel counts them for a container's own control group: version 2, then version 1. */
const counters = ['/sys/fs/cgroup/memory.events', '/sys/fs/cgroup/memory/memory.oom_control']

/**
 * How many processes of this slot the kernel has killed because all of its memory was used; 0 where it does not say.
 * Compared before and after, it tells such an end from any other SIGKILL.
 */
export function countMemoryKills(paths = counters): number {
  for (const path of paths)
    try {
      const found = /^oom_kill (\d+)$/m.exec(readFileSync(path, 'utf8'))
      if (found) return Number(found[1])
    } catch {
      // Not this version.
    }
  return 0
}
