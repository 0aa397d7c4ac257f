import { useMutation } from '@tanstack/react-query'
import { getRouteApi, Link, useRouter } from '@tanstack/react-router'
import { useState } from 'react'
import { logIn } from '../../api/auth.ts'
import { fieldMessage } from '../../api/errors.ts'
import { paths } from '../../paths.ts'
import { Button } from '../../ui/button.tsx'
import { TextField } from '../../ui/field.tsx'
import { EnterFrame, linkClass } from './enter-frame.tsx'
import { FormError } from './form-error.tsx'

const route = getRouteApi('/log-in')
const fields = ['email', 'password']

export function LogInPage() {
  const { return: returnTo } = route.useSearch()
  const router = useRouter()
  const [email, setEmail] = useState('')
  const [password, setPassword] = useState('')
  const enter = useMutation({
    meta: { showsError: true },
    mutationFn: () => logIn({ email, password }),
    onSuccess: () => router.navigate({ href: returnTo ?? '/chat' }),
  })
  return (
    <EnterFrame
      title="Log in"
      lead={returnTo && 'You come back to where you were.'}
      footer={
        <>
          New here?{' '}
          <Link {...paths.signUp(returnTo)} className={linkClass}>
            Sign up
          </Link>
        </>
      }
    >
      <form
        className="space-y-4"
        onSubmit={(event) => {
          event.preventDefault()
          enter.mutate()
        }}
      >
        <TextField
          label="E-mail"
          type="email"
          autoComplete="email"
          autoFocus
          required
          value={email}
          onChange={(event) => setEmail(event.target.value)}
          error={fieldMessage(enter.error, 'email')}
        />
        <TextField
          label="Password"
          type="password"
          autoComplete="current-password"
          required
          value={password}
          onChange={(event) => setPassword(event.target.value)}
          error={fieldMessage(enter.error, 'password')}
        />
        <FormError error={enter.error} fields={fields} />
        <Button type="submit" variant="primary" pending={enter.isPending} className="mt-2 w-full">
          Log in
        </Button>
      </form>
    </EnterFrame>
  )
}
