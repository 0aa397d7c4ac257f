import type { NewApiKey } from '../../api/types.ts'
import { Button } from '../../ui/button.tsx'
import { CopyButton } from '../../ui/copy.tsx'
import { Dialog } from '../../ui/dialog.tsx'
import { Notice } from '../../ui/notice.tsx'

/** The only time that a key can be read. */
export function NewKeyDialog({ apiKey, onClose }: { apiKey: NewApiKey; onClose: () => void }) {
  return (
    <Dialog open onClose={onClose} title={`Your key ${apiKey.name}`}>
      <Notice tone="warn">Copy it now: Reef keeps only a fingerprint of it and cannot show it again.</Notice>
      <output
        aria-label="API key"
        className="mt-4 block rounded-control border border-line bg-sunken px-3.5 py-3 font-mono text-[0.8125rem] break-all select-all"
      >
        {apiKey.key}
      </output>
      <div className="mt-5 flex justify-end gap-2">
        <CopyButton text={apiKey.key}>Copy key</CopyButton>
        <Button variant="primary" size="small" onClick={onClose}>
          Done
        </Button>
      </div>
    </Dialog>
  )
}
