import { useMutation, useQueryClient } from '@tanstack/react-query'
import { call } from '../../api/client.ts'
import type { Host } from '../../api/types.ts'
import { Button } from '../../ui/button.tsx'
import { bytesText } from '../../ui/bytes.ts'
import { Card } from '../../ui/card.tsx'
import { showDone } from '../../ui/toast.tsx'
import { overviewQuery } from './queries.ts'

const states: Record<Host['state'], { label: string; className: string }> = {
  active: { label: 'Active', className: 'text-good' },
  draining: { label: 'Draining', className: 'text-warn' },
  unreachable: { label: 'Unreachable', className: 'text-bad' },
}

export function HostList({ hosts }: { hosts: Host[] }) {
  return (
    <Card
      title="Hosts"
      description="Memory is what is really resident, not what was promised. A draining host takes nothing new; what is on it stays and goes on."
      flush
    >
      <ul className="divide-y divide-line">
        {hosts.map((host) => (
          <li key={host.name} className="space-y-2.5 px-5 py-4">
            <div className="flex flex-wrap items-center gap-x-3 gap-y-2 text-sm">
              <span className="font-medium">{host.name}</span>
              <span className={states[host.state].className}>{states[host.state].label}</span>
              <span className="ml-auto text-ink-faint">
                {host.slotCount} slots, {host.pausedCount} asleep, {host.cpus} CPUs
              </span>
              <DrainButton host={host} />
            </div>
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
            {host.diskTotalBytes > 0 && (
              <Meter
                label="Disk"
                used={host.diskTotalBytes - host.diskFreeBytes}
                total={host.diskTotalBytes}
                note="the state of instances, images, and whatever else lies there"
              />
            )}
          </li>
        ))}
      </ul>
    </Card>
  )
}

function DrainButton({ host }: { host: Host }) {
  const client = useQueryClient()
  const drains = host.state === 'draining'
  const change = useMutation({
    mutationFn: () =>
      call('PUT', `/api/admin/hosts/${encodeURIComponent(host.name)}`, {
        body: { state: drains ? 'active' : 'draining' },
      }),
    onSuccess: async () => {
      showDone(drains ? `${host.name} takes instances again.` : `${host.name} takes nothing new from now on.`)
      await client.invalidateQueries({ queryKey: overviewQuery.queryKey })
    },
  })
  return (
    <Button
      size="small"
      title={drains ? 'Lets it take new instances again' : 'Places nothing new on it; what is on it stays'}
      pending={change.isPending}
      onClick={() => change.mutate()}
    >
      {drains ? 'Activate' : 'Drain'}
    </Button>
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
