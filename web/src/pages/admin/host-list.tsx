import type { Host } from '../../api/types.ts'
import { bytesText } from '../../ui/bytes.ts'
import { Card } from '../../ui/card.tsx'

const states: Record<Host['state'], { label: string; className: string }> = {
  active: { label: 'Active', className: 'text-good' },
  draining: { label: 'Draining', className: 'text-warn' },
  unreachable: { label: 'Unreachable', className: 'text-bad' },
}

export function HostList({ hosts }: { hosts: Host[] }) {
  return (
    <Card title="Hosts" description="Memory is what is really resident, not what was promised." flush>
      <ul className="divide-y divide-line">
        {hosts.map((host) => (
          <li key={host.name} className="space-y-2.5 px-5 py-4">
            <p className="flex flex-wrap items-baseline gap-x-3 text-sm">
              <span className="font-medium">{host.name}</span>
              <span className={states[host.state].className}>{states[host.state].label}</span>
              <span className="ml-auto text-ink-faint">
                {host.slotCount} slots, {host.pausedCount} asleep, {host.cpus} CPUs
              </span>
            </p>
            <Meter
              label="Memory"
              used={host.memoryTotalBytes - host.memoryAvailableBytes}
              total={host.memoryTotalBytes}
              note={`${bytesText(host.residentBytes)} held by slots`}
            />
            {host.swapTotalBytes > 0 && (
              <Meter
                label="Swap"
                used={host.swapTotalBytes - host.swapFreeBytes}
                total={host.swapTotalBytes}
                note={
                  host.zramTotalBytes > 0
                    ? `${bytesText(host.zramTotalBytes)} of it compressed memory`
                    : 'on disk'
                }
              />
            )}
          </li>
        ))}
      </ul>
    </Card>
  )
}

function Meter({ label, used, total, note }: { label: string; used: number; total: number; note: string }) {
  const share = total > 0 ? Math.min(1, used / total) : 0
  return (
    <div className="text-[0.8125rem]">
      <p className="flex justify-between gap-4 text-ink-faint">
        <span>
          {label}: {bytesText(used)} of {bytesText(total)}
        </span>
        <span>{note}</span>
      </p>
      <div className="mt-1 h-1.5 overflow-hidden rounded-full bg-hover" aria-hidden="true">
        <div
          className={share > 0.9 ? 'h-full bg-bad' : share > 0.75 ? 'h-full bg-warn' : 'h-full bg-lagoon'}
          style={{ width: `${Math.round(share * 100)}%` }}
        />
      </div>
    </div>
  )
}
