import { Outlet, useNavigate } from '@tanstack/react-router'
import { useEffect } from 'react'
import { onAuthChange, signedInUser } from '../api/auth.ts'
import { paths } from '../paths.ts'
import { Toasts } from '../ui/toast.tsx'

const publicPaths = ['/', '/log-in', '/sign-up', '/invitation', '/invitations/accept']

export function RootLayout() {
  const navigate = useNavigate()
  // A session that could not be refreshed ends here; after logging in again the person is back where they were.
  useEffect(
    () =>
      onAuthChange(() => {
        if (signedInUser() || publicPaths.includes(location.pathname)) return
        void navigate(paths.logIn(location.pathname + location.search))
      }),
    [navigate],
  )
  return (
    <>
      <Outlet />
      <Toasts />
    </>
  )
}
