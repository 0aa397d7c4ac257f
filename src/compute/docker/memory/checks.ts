import type { PreflightCheck } from '../../../domain/instances/compute.ts'
import type { HostFacts } from './host-memory.ts'

const gibibyte = 1024 ** 3

/** What the operator of a host should know about its memory and disk, and the commands that make room. Pure. */
export function memoryChecks(facts: HostFacts): PreflightCheck[] {
  return [checkReclaim(facts), checkSwap(facts), checkDisk(facts), checkSpace(facts)]
}

function checkReclaim(facts: HostFacts): PreflightCheck {
  const name = 'freezing'
  if (!facts.reclaims)
    return {
      name,
      ok: false,
      detail:
        'This kernel cannot reclaim the memory of one container (memory.reclaim, Linux 5.19): sleeping instances keep theirs in RAM. Upgrade the kernel.',
    }
  if (!facts.countsSwap)
    return {
      name,
      ok: false,
      detail:
        'This kernel does not count which container has how much in swap. Boot it with `swapaccount=1`: in /etc/default/grub add it to GRUB_CMDLINE_LINUX, run `update-grub` and reboot.',
    }
  return { name, ok: true, detail: `Control groups of version ${facts.cgroupVersion} can reclaim memory.` }
}

function checkSwap(facts: HostFacts): PreflightCheck {
  const name = 'swap'
  const total = gibibytes(facts.swapTotalBytes)
  if (facts.swapTotalBytes === 0)
    return {
      name,
      ok: false,
      detail: `There is no swap, so sleeping instances keep their memory in RAM. ${facts.knowsZram ? addZram(facts) : addZramModule(facts)} Or, slower to wake from: ${addSwapFile(facts)}`,
    }
  if (facts.swapFreeBytes < facts.swapTotalBytes / 10)
    return {
      name,
      ok: false,
      detail: `Of ${total} GiB of swap less than a tenth is free: no more instances can be frozen soon. Add some: ${addSwapFile(facts)}`,
    }
  if (facts.zramTotalBytes === 0 && !facts.zswap)
    return {
      name,
      ok: true,
      detail: `${total} GiB of swap, all of it on disk: sleeping instances wake in seconds. From compressed memory it would be less than one: ${addZram(facts)}`,
    }
  const compressed = facts.zramTotalBytes > 0 ? `${gibibytes(facts.zramTotalBytes)} GiB of it zram` : 'zswap'
  return { name, ok: true, detail: `${total} GiB of swap, ${compressed}.` }
}

function checkDisk(facts: HostFacts): PreflightCheck {
  const name = 'long sleep'
  const onlyDisk = facts.zramTotalBytes === 0 && !facts.zswap
  if (facts.swapTotalBytes === 0 || onlyDisk)
    return { name, ok: true, detail: 'There is no compressed memory to move on to disk.' }
  if (facts.movesToDisk || (facts.zswap && facts.cgroupVersion === 2))
    return { name, ok: true, detail: 'Compressed memory of those who sleep long moves on to disk.' }
  return {
    name,
    ok: true,
    detail:
      'Compressed memory stays in RAM, however long an instance sleeps, because nothing lies behind it. Where the kernel has CONFIG_ZRAM_WRITEBACK, give zram a partition before its size is set: `echo /dev/PARTITION > /sys/block/zram0/backing_dev`. Else a swap file takes what no longer fits: see docs/howto/give-hosts-swap.md.',
  }
}

/** Earlier than admission ends (src/domain/instances/room.ts), so that there is time to do something. */
const spaceShareMin = 0.1

function checkSpace(facts: HostFacts): PreflightCheck {
  const name = 'disk space'
  const free = `${gibibytes(facts.diskFreeBytes)} of ${gibibytes(facts.diskTotalBytes)} GiB`
  if (facts.diskFreeBytes >= facts.diskTotalBytes * spaceShareMin)
    return { name, ok: true, detail: `${free} are free for the state of instances.` }
  return {
    name,
    ok: false,
    detail: `Only ${free} are free where the state of instances lies; below a twentieth nothing more is started there. Remove what is old (\`docker system prune\`), enlarge the disk, or add a host.`,
  }
}

/** Three quarters of the memory, uncompressed: two to three times as much as it takes up. */
function addZram(facts: HostFacts): string {
  const size = Math.max(1, Math.round((facts.memoryTotalBytes * 0.75) / gibibyte))
  return `Add compressed memory: \`zramctl --find --algorithm lz4 --size ${size}G\`, then with the device that it prints \`mkswap /dev/zram0 && swapon --priority 100 /dev/zram0\`.`
}

function addZramModule(facts: HostFacts): string {
  return `Load compressed memory: \`modprobe zram\` (on Debian and Ubuntu first \`apt-get install linux-modules-extra-$(uname -r)\` if it is missing). ${addZram(facts)}`
}

function addSwapFile(facts: HostFacts): string {
  const size = Math.max(4, Math.round((facts.memoryTotalBytes * 2) / gibibyte))
  return `\`fallocate -l ${size}G /swapfile && chmod 600 /swapfile && mkswap /swapfile && swapon --priority 10 /swapfile\`.`
}

function gibibytes(bytes: number): string {
  return (bytes / gibibyte).toFixed(bytes < 10 * gibibyte ? 1 : 0)
}
