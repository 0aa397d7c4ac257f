import type { Domain } from '../../api/types.ts'
import { CopyIconButton } from '../../ui/copy.tsx'

/** Why each record is wanted; a CNAME alone is enough where the name can have one. */
const purposes: Record<Domain['records'][number]['type'], string> = {
  TXT: 'proves that the name is yours',
  CNAME: 'makes the name lead here',
}

/** The exact records to set where the name's DNS is kept. */
export function DomainRecords({ domain }: { domain: Domain }) {
  return (
    <div className="rounded-[0.625rem] border border-line bg-sunken p-4">
      <p className="text-sm text-ink-soft">
        Set these where the DNS of {domain.domain} is kept. At the top of a zone, which takes no CNAME, use
        ALIAS or the addresses that the name in the CNAME stands for.
      </p>
      <ul className="mt-3 space-y-3">
        {domain.records.map((record) => (
          <li key={record.type} aria-label={`${record.type} record`}>
            <p className="text-[0.8125rem]">
              <span className="font-mono font-semibold">{record.type}</span>{' '}
              <span className="text-ink-faint">{purposes[record.type]}</span>
            </p>
            <dl className="mt-1 grid grid-cols-[auto_1fr] gap-x-3 gap-y-1 text-[0.8125rem]">
              <Field label="Name" value={record.name} />
              <Field label="Value" value={record.value} />
            </dl>
          </li>
        ))}
      </ul>
    </div>
  )
}

function Field({ label, value }: { label: string; value: string }) {
  return (
    <>
      <dt className="pt-1 text-ink-faint">{label}</dt>
      <dd className="flex min-w-0 items-start gap-1">
        <code className="min-w-0 flex-1 py-1 font-mono break-all select-all">{value}</code>
        <CopyIconButton text={value} label={`Copy ${label.toLowerCase()} ${value}`} className="size-7" />
      </dd>
    </>
  )
}
