import type { ErrorComponentProps } from '@tanstack/react-router'
import { ApiError, messageOf } from '../api/errors.ts'
import { Button, buttonClass } from '../ui/button.tsx'
import { MessagePage } from './message-page.tsx'

export function ErrorPage({ error, reset }: ErrorComponentProps) {
  const unreachable = error instanceof ApiError && error.status === 0
  return (
    <MessagePage
      title={unreachable ? 'Reef does not answer' : 'Something went wrong'}
      actions={
        <>
          <Button variant="primary" onClick={() => (unreachable ? location.reload() : reset())}>
            Try again
          </Button>
          <a href="/" className={buttonClass()}>
            Go to the start
          </a>
        </>
      }
    >
      <p role="alert">{messageOf(error)}</p>
      {!(error instanceof ApiError) && (
        <pre className="mt-4 overflow-x-auto rounded-control bg-sunken p-3 text-left font-mono text-xs">
          {String(error)}
        </pre>
      )}
    </MessagePage>
  )
}
