import { useMutation } from '@tanstack/react-query'
import { getRouteApi, Link, useRouter } from '@tanstack/react-router'
import { useState } from 'react'
import { signUp } from '../../api/auth.ts'
import { fieldMessage } from '../../api/errors.ts'
import { paths } from '../../paths.ts'
import { Button } from '../../ui/button.tsx'
import { TextField } from '../../ui/field.tsx'
import { EnterFrame, linkClass } from './enter-frame.tsx'
import { FormError } from './form-error.tsx'

const route = getRouteApi('/sign-up')
const fields = ['name', 'email', 'password']

export function SignUpPage() {
  const { return: returnTo } = route.useSearch()
  const router = useRouter()
  const [form, setForm] = useState({ name: '', email: '', password: '' })
  const enter = useMutation({
    meta: { showsError: true },
    mutationFn: () => signUp(form),
    onSuccess: () => router.navigate({ href: returnTo ?? '/chat' }),
  })
  const set = (field: keyof typeof form) => (event: React.ChangeEvent<HTMLInputElement>) =>
    setForm((now) => ({ ...now, [field]: event.target.value }))
  return (
    <EnterFrame
      title="Sign up"
      footer={
        <>
          Have an account?{' '}
          <Link {...paths.logIn(returnTo)} className={linkClass}>
            Log in
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
          label="Name"
          autoComplete="name"
          autoFocus
          required
          maxLength={100}
          value={form.name}
          onChange={set('name')}
          error={fieldMessage(enter.error, 'name')}
        />
        <TextField
          label="E-mail"
          type="email"
          autoComplete="email"
          required
          value={form.email}
          onChange={set('email')}
          error={fieldMessage(enter.error, 'email')}
        />
        <TextField
          label="Password"
          type="password"
          autoComplete="new-password"
          required
          minLength={10}
          maxLength={200}
          hint="At least 10 characters."
          value={form.password}
          onChange={set('password')}
          error={fieldMessage(enter.error, 'password')}
        />
        <FormError error={enter.error} fields={fields} />
        <Button type="submit" variant="primary" pending={enter.isPending} className="mt-2 w-full">
          Sign up
        </Button>
      </form>
    </EnterFrame>
  )
}
