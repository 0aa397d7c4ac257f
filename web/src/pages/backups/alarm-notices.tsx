import { useQuery } from '@tanstack/react-query'
import { Notice } from '../../ui/notice.tsx'
import { RelativeTime } from '../../ui/time.tsx'
import { alarmsQuery } from './queries.ts'
import { remedyOf } from './words.ts'

/** What is wrong with the backups of this instance or of the whole Reef; nothing while all is well. */
export function AlarmNotices({ instanceId }: { instanceId: string }) {
  const alarms = useQuery(alarmsQuery)
  return alarms.data
    ?.filter((alarm) => alarm.instanceId === null || alarm.instanceId === instanceId)
    .map((alarm) => (
      <Notice key={alarm.id} tone={alarm.kind === 'remote_unavailable' ? 'warn' : 'bad'}>
        <p className="font-medium">{alarm.message}</p>
        <p className="mt-0.5 text-ink-soft">
          {remedyOf(alarm)} Since <RelativeTime at={alarm.raisedAt} />.
        </p>
      </Notice>
    ))
}
