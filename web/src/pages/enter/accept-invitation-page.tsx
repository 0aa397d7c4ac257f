import { useMutation } from '@tanstack/react-query'
import { Link, useLocation, useNavigate } from '@tanstack/react-router'
import { signedInUser } from '../../api/auth.ts'
import { call } from '../../api/client.ts'
import type { Organization } from '../../api/types.ts'
import { switchOrganization } from '../../app/switch-organization.ts'
import { paths } from '../../paths.ts'
import { Button, buttonClass } from '../../ui/button.tsx'
import { ErrorNotice, Notice } from '../../ui/notice.tsx'
import { showDone } from '../../ui/toast.tsx'
import { EnterFrame } from './enter-frame.tsx'
import { forgetInvitation, invitationToken } from './invitation-token.ts'

export function AcceptInvitationPage() {
  const location = useLocation()
  const token = invitationToken(location)
  const user = signedInUser()
  if (!token)
    return (
      <EnterFrame title="Join an organization">
        <Notice tone="warn">
          This link is not complete. Copy the whole link from the invitation, or ask for a new one.
        </Notice>
      </EnterFrame>
    )
  if (user) return <Accept token={token} email={user.email} />
  return (
    <EnterFrame
      title="You are invited"
      lead="Somebody asks you to join their organization on Reef. Use the e-mail address that the invitation is for."
    >
      <div className="grid gap-2.5">
        <Link {...paths.signUp(location.pathname)} className={buttonClass('primary')}>
          Sign up
        </Link>
        <Link {...paths.logIn(location.pathname)} className={buttonClass()}>
          Log in
        </Link>
      </div>
    </EnterFrame>
  )
}

function Accept({ token, email }: { token: string; email: string }) {
  const navigate = useNavigate()
  const accept = useMutation({
    meta: { showsError: true },
    mutationFn: () => call<Organization>('POST', '/api/invitations/accept', { body: { token } }),
    onSuccess: async (organization) => {
      forgetInvitation()
      await switchOrganization(organization)
      showDone(`You are now a member of ${organization.name}.`)
      await navigate(paths.chat())
    },
  })
  return (
    <EnterFrame title="You are invited" lead={`Join the organization as ${email}.`}>
      <div className="space-y-4">
        {accept.error && <ErrorNotice error={accept.error} />}
        <Button
          variant="primary"
          className="w-full"
          pending={accept.isPending}
          onClick={() => accept.mutate()}
        >
          Join organization
        </Button>
      </div>
    </EnterFrame>
  )
}
