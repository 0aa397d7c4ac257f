import { useMutation, useQueryClient } from '@tanstack/react-query'
import { Link, useLocation } from '@tanstack/react-router'
import { useEffect, useRef } from 'react'
import { signedInUser } from '../../api/auth.ts'
import { postPublic } from '../../api/client.ts'
import { meQuery } from '../../api/queries.ts'
import { paths } from '../../paths.ts'
import { buttonClass } from '../../ui/button.tsx'
import { ErrorNotice, Notice } from '../../ui/notice.tsx'
import { EnterFrame } from './enter-frame.tsx'

/** Where the link of the mail leads. It works without a log-in: the mail may be read on another device. */
export function VerifyEmailPage() {
  const location = useLocation()
  const token = /(?:^|[#&])token=([\w-]+)/.exec(location.hash)?.[1]
  const queryClient = useQueryClient()
  const confirm = useMutation({
    meta: { showsError: true },
    mutationFn: (given: string) => postPublic('/api/auth/verify-email', { token: given }),
    onSuccess: () => queryClient.invalidateQueries({ queryKey: meQuery.queryKey }),
  })
  // The link is good once; React runs effects twice while developing.
  const asked = useRef(false)
  const { mutate } = confirm
  useEffect(() => {
    if (!token || asked.current) return
    asked.current = true
    mutate(token)
  }, [token, mutate])

  return (
    <EnterFrame title="Confirm your e-mail address">
      <div className="space-y-4">
        {!token && (
          <Notice tone="warn">
            This link is not complete. Copy the whole link from the mail, or have another one sent from the
            dashboard.
          </Notice>
        )}
        {confirm.isPending && <p className="text-sm text-ink-soft">One moment…</p>}
        {confirm.error && <ErrorNotice error={confirm.error} />}
        {confirm.isSuccess && <Notice>Your e-mail address is confirmed.</Notice>}
        <Link {...(signedInUser() ? paths.chat() : paths.logIn())} className={buttonClass('primary')}>
          {signedInUser() ? 'To the dashboard' : 'Log in'}
        </Link>
      </div>
    </EnterFrame>
  )
}
