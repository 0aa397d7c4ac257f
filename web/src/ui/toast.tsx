import { Toast } from '@base-ui/react/toast'
import { CircleAlert, CircleCheck, X } from 'lucide-react'
import { isAbort, messageOf } from '../api/errors.ts'

const manager = Toast.createToastManager()

export function showDone(title: string): void {
  manager.add({ title, type: 'done', timeout: 4_000 })
}

export function showError(error: unknown): void {
  if (isAbort(error)) return
  manager.add({ title: messageOf(error), type: 'error', timeout: 9_000, priority: 'high' })
}

export function Toasts() {
  return (
    <Toast.Provider toastManager={manager} limit={4}>
      <Toast.Portal>
        <Toast.Viewport className="fixed inset-x-4 bottom-4 z-50 flex flex-col gap-2 sm:left-auto sm:w-88">
          <ToastList />
        </Toast.Viewport>
      </Toast.Portal>
    </Toast.Provider>
  )
}

function ToastList() {
  const { toasts } = Toast.useToastManager()
  return toasts.map((toast) => (
    <Toast.Root
      key={toast.id}
      toast={toast}
      className="rounded-xl bg-raised shadow-float transition-all duration-200 data-limited:hidden data-ending-style:opacity-0 data-starting-style:translate-y-3 data-starting-style:opacity-0"
    >
      <Toast.Content className="flex items-start gap-3 p-3 pl-3.5">
        {toast.type === 'error' ? (
          <CircleAlert size={17} className="mt-0.5 shrink-0 text-bad" />
        ) : (
          <CircleCheck size={17} className="mt-0.5 shrink-0 text-good" />
        )}
        <Toast.Title className="min-w-0 flex-1 text-sm leading-snug font-medium tracking-normal wrap-break-word" />
        <Toast.Close aria-label="Dismiss" className="rounded p-0.5 text-ink-faint hover:text-ink">
          <X size={15} />
        </Toast.Close>
      </Toast.Content>
    </Toast.Root>
  ))
}
