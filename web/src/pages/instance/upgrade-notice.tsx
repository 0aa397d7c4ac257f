import type { Upgrade } from '../../api/types.ts'
import { Notice } from '../../ui/notice.tsx'
import { RelativeTime, useNow } from '../../ui/time.tsx'

/** What came of an upgrade is news for this long. */
const newsMs = 3 * 86_400_000

export function UpgradeNotice({ upgrade }: { upgrade: Upgrade }) {
  const nowMs = useNow(60_000)
  if (upgrade.finishedAt && nowMs - Date.parse(upgrade.finishedAt) > newsMs) return null
  switch (upgrade.outcome) {
    case 'under_way':
      return (
        <Notice>
          <p className="font-medium" role="status">
            Being upgraded since <RelativeTime at={upgrade.startedAt} />
          </p>
          <p className="mt-0.5 text-ink-soft">
            It was backed up first. If the new software does not become ready, the former comes back by
            itself.
          </p>
          <Versions upgrade={upgrade} />
        </Notice>
      )
    case 'succeeded':
      return (
        <Notice tone="good">
          <p className="font-medium">
            Upgraded {upgrade.finishedAt && <RelativeTime at={upgrade.finishedAt} />}
          </p>
          <Versions upgrade={upgrade} />
        </Notice>
      )
    case 'rolled_back':
      return (
        <Notice tone="warn">
          <p className="font-medium">
            The upgrade was rolled back {upgrade.finishedAt && <RelativeTime at={upgrade.finishedAt} />}
          </p>
          <p className="mt-0.5 text-ink-soft">
            {upgrade.message} It runs with the former software and nothing is lost. Look at the logs below; if
            they do not help, tell the operator of this Reef.
          </p>
          <Versions upgrade={upgrade} />
        </Notice>
      )
  }
}

function Versions({ upgrade }: { upgrade: Upgrade }) {
  return (
    <dl className="mt-1.5 flex flex-wrap gap-x-4 font-mono text-xs text-ink-faint">
      <div className="flex gap-1.5">
        <dt>from</dt>
        <dd className="break-all">{upgrade.from}</dd>
      </div>
      <div className="flex gap-1.5">
        <dt>to</dt>
        <dd className="break-all">{upgrade.to}</dd>
      </div>
    </dl>
  )
}
