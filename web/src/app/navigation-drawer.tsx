import { Dialog } from '@base-ui/react/dialog'
import type { ReactNode } from 'react'
import { backdropClass } from '../ui/dialog.tsx'

/** The sidebar on a phone: slides in from the left. */
export function NavigationDrawer(props: {
  open: boolean
  onOpenChange(open: boolean): void
  children: ReactNode
}) {
  return (
    <Dialog.Root open={props.open} onOpenChange={props.onOpenChange}>
      <Dialog.Portal>
        <Dialog.Backdrop className={`${backdropClass} md:hidden`} />
        <Dialog.Popup
          aria-label="Navigation"
          className="fixed inset-y-0 left-0 z-40 w-74 max-w-[85vw] bg-sunken shadow-float outline-none transition-transform duration-200 data-ending-style:-translate-x-full data-starting-style:-translate-x-full md:hidden"
        >
          {/* Who sees the page presses beside it; without eyes there has to be a button. */}
          <Dialog.Close className="sr-only">Close navigation</Dialog.Close>
          {props.children}
        </Dialog.Popup>
      </Dialog.Portal>
    </Dialog.Root>
  )
}
