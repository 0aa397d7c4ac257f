/**
 * What is done on a host, as POSIX shell: the same text runs in this process's own shell and in a helper container on a
 * host that is reached through its engine alone. Container ids are checked before they are put in.
 */

/** `place ID` prints the container's control group: of its memory on version 1, the only one on version 2. */
const prelude = `
root=/sys/fs/cgroup; version=2
if [ -d $root/memory ]; then root=$root/memory; version=1; fi
place() {
  for candidate in $root/docker/$1 $root/system.slice/docker-$1.scope; do
    [ -d "$candidate" ] && { echo "$candidate"; return; }
  done
  found=$(find $root -maxdepth 6 -type d -name "*$1*" 2>/dev/null | head -n 1)
  [ -n "$found" ] || { echo "control group of $1 not found" >&2; exit 3; }
  echo "$found"
}
stat() { awk -v key="$2" '$1 == key { print $2 }' "$1/memory.stat"; }
usage() {
  if [ $version = 1 ]; then
    echo $(( $(cat "$1/memory.usage_in_bytes") - $(stat "$1" total_inactive_file) )) $(stat "$1" total_swap)
  else
    echo $(( $(cat "$1/memory.current") - $(stat "$1" inactive_file) )) $(cat "$1/memory.swap.current" 2>/dev/null || echo 0)
  fi
}
`

/** Prints `ID RESIDENT SWAPPED` for each container that has a control group. */
export function usageScript(containerIds: readonly string[]): string {
  return `${prelude}
for id in ${containerIds.map(checked).join(' ')}; do
  directory=$(place $id 2>/dev/null) || continue
  echo "$id $(usage "$directory")"
done`
}

const chunkBytes = 64 * 1024 * 1024

/**
 * Takes a suspended container's memory out of RAM as far as there is swap, then prints what is left. In small portions
 * where the kernel lets us say how much, so that whoever cuts it short does not wait.
 */
export function freezeScript(containerId: string): string {
  return `${prelude}
directory=$(place ${checked(containerId)}) || exit 3
if [ $version = 1 ]; then
  # Shared memory only goes the second time, since the first still holds it for active.
  for pass in 1 2; do echo 0 > "$directory/memory.force_empty" || true; done
else
  failures=0
  while [ "$(cat "$directory/memory.current")" -gt ${chunkBytes / 8} ] && [ $failures -lt 3 ]; do
    echo ${chunkBytes} > "$directory/memory.reclaim" 2>/dev/null || failures=$((failures + 1))
  done
fi
usage "$directory"`
}

/**
 * Reclaims what a running container has not touched lately, down to so many bytes, then prints what is left. Version 1
 * has no word for it but the limit, which is lowered for that moment and put back whatever happens: the kernel refuses
 * to lower it below what it cannot reclaim, so nothing is killed by it.
 */
export function trimScript(containerId: string, toBytes: number): string {
  return `${prelude}
directory=$(place ${checked(containerId)}) || exit 3
target=${Math.floor(toBytes)}
if [ $version = 1 ]; then
  limit=$(cat "$directory/memory.limit_in_bytes")
  trap 'echo "$limit" > "$directory/memory.limit_in_bytes"' EXIT
  while :; do
    now=$(cat "$directory/memory.usage_in_bytes")
    [ "$now" -gt "$target" ] || break
    next=$(( now - ${chunkBytes} ))
    [ "$next" -gt "$target" ] || next=$target
    echo "$next" > "$directory/memory.limit_in_bytes" 2>/dev/null || break
    echo "$limit" > "$directory/memory.limit_in_bytes"
  done
else
  failures=0
  while [ "$(cat "$directory/memory.current")" -gt "$target" ] && [ $failures -lt 3 ]; do
    echo ${chunkBytes} > "$directory/memory.reclaim" 2>/dev/null || failures=$((failures + 1))
  done
fi
usage "$directory"`
}

/**
 * Moves compressed memory that nobody has touched for `idleSeconds` to the disk behind it. zram does it for the whole
 * host by the age of its pages; where the kernel does not keep their age, those are moved that were marked by the run
 * before and not touched since. zswap does it for one container.
 */
export function diskScript(containerId: string, idleSeconds: number): string {
  return `${prelude}
for device in /sys/block/zram*; do
  [ -w "$device/writeback" ] || continue
  [ "$(cat "$device/backing_dev")" = none ] && continue
  if echo ${Math.floor(idleSeconds)} > "$device/idle" 2>/dev/null; then
    echo idle > "$device/writeback" || true
  else
    echo idle > "$device/writeback" || true
    echo all > "$device/idle" || true
  fi
done
directory=$(place ${checked(containerId)}) || exit 3
if [ -w "$directory/memory.zswap.max" ] && [ "$(cat "$directory/memory.zswap.current")" -gt 0 ]; then
  before=$(cat "$directory/memory.zswap.max")
  echo 0 > "$directory/memory.zswap.max"
  tries=0
  while [ "$(cat "$directory/memory.zswap.current")" -gt 0 ] && [ $tries -lt 1000 ]; do
    echo 4096 > "$directory/memory.reclaim" 2>/dev/null || tries=$((tries + 50))
    tries=$((tries + 1))
  done
  echo "$before" > "$directory/memory.zswap.max"
fi
usage "$directory"`
}

/**
 * Prints the host's memory and disk, one `NAME VALUE` per line, and what it offers for moving memory out of RAM. A helper
 * container does not see the engine's directory, and its own root lies on the same disk.
 */
export function hostScript(engineDirectory: string): string {
  return `${prelude}
engine=${quoted(engineDirectory)}
[ -d "$engine/volumes" ] && engine=$engine/volumes || engine=/
df -P -k "$engine" | awk 'NR == 2 { printf "diskTotal %.0f\\ndiskFree %.0f\\n", $2 * 1024, $4 * 1024 }'
awk '{ sub(":", "", $1); if ($1 ~ /^(MemTotal|MemAvailable|SwapTotal|SwapFree)$/) printf "%s %.0f\\n", $1, $2 * 1024 }' /proc/meminfo
echo zram $(awk '$1 ~ /zram/ { sum += $3 } END { printf "%.0f", sum * 1024 }' /proc/swaps)
echo cgroup $version
if [ $version = 1 ]; then
  [ -e $root/memory.memsw.limit_in_bytes ] && echo accounting 1 || echo accounting 0
  echo reclaim 1
else
  one=$(find $root -mindepth 1 -maxdepth 2 -type d | head -n 1)
  [ -e "$one/memory.swap.current" ] && echo accounting 1 || echo accounting 0
  [ -e "$one/memory.reclaim" ] && echo reclaim 1 || echo reclaim 0
fi
writeback=0
for device in /sys/block/zram*; do
  [ -e "$device/backing_dev" ] && [ "$(cat "$device/backing_dev")" != none ] && writeback=1
done
echo writeback $writeback
[ "$(cat /sys/module/zswap/parameters/enabled 2>/dev/null)" = Y ] && echo zswap 1 || echo zswap 0
[ -e /sys/block/zram0 ] || [ -e /sys/class/zram-control ] && echo zramKnown 1 || echo zramKnown 0
echo cpus $(grep -c ^processor /proc/cpuinfo)`
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}

function checked(containerId: string): string {
  if (!/^[0-9a-f]{64}$/.test(containerId)) throw new Error(`not a container's id: ${containerId}`)
  return containerId
}
