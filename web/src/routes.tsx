import {
  createRootRoute,
  createRoute,
  createRouter,
  lazyRouteComponent,
  redirect,
} from '@tanstack/react-router'
import { restoreSession, signedInUser } from './api/auth.ts'
import { ErrorPage } from './app/error-page.tsx'
import { NotFoundPage } from './app/not-found-page.tsx'
import { RootLayout } from './app/root-layout.tsx'
import { LandingPage } from './pages/landing/landing-page.tsx'
import { paths, safeReturnPath } from './paths.ts'

/** The site map. Pages behind the log-in load when they are first opened. */
const root = createRootRoute({ component: RootLayout })

const landing = createRoute({
  getParentRoute: () => root,
  path: '/',
  beforeLoad: async () => {
    // A server that does not answer must not hide the page that says what this is.
    const user = await restoreSession().catch(() => undefined)
    if (user) throw redirect(paths.chat())
  },
  component: LandingPage,
})

const signUp = createRoute({
  getParentRoute: () => root,
  path: '/sign-up',
  validateSearch: readReturn,
  beforeLoad: leaveWhenSignedIn,
  component: lazyRouteComponent(() => import('./pages/enter/sign-up-page.tsx'), 'SignUpPage'),
})

const logIn = createRoute({
  getParentRoute: () => root,
  path: '/log-in',
  validateSearch: readReturn,
  beforeLoad: leaveWhenSignedIn,
  component: lazyRouteComponent(() => import('./pages/enter/log-in-page.tsx'), 'LogInPage'),
})

const invitationPage = lazyRouteComponent(
  () => import('./pages/enter/accept-invitation-page.tsx'),
  'AcceptInvitationPage',
)
const invitationOptions = {
  getParentRoute: () => root,
  validateSearch: (search: Record<string, unknown>): { token?: string } =>
    typeof search.token === 'string' ? { token: search.token } : {},
  beforeLoad: async () => {
    await restoreSession()
  },
  component: invitationPage,
}
const invitation = createRoute({ ...invitationOptions, path: '/invitation' })
const acceptInvitation = createRoute({ ...invitationOptions, path: '/invitations/accept' })

const verifyEmail = createRoute({
  getParentRoute: () => root,
  path: '/verify-email',
  beforeLoad: async () => {
    await restoreSession().catch(() => undefined)
  },
  component: lazyRouteComponent(() => import('./pages/enter/verify-email-page.tsx'), 'VerifyEmailPage'),
})

/** Everything for people who are signed in. */
const app = createRoute({
  getParentRoute: () => root,
  id: 'app',
  beforeLoad: async ({ location }) => {
    await restoreSession()
    if (!signedInUser()) throw redirect(paths.logIn(location.href))
  },
  component: lazyRouteComponent(() => import('./app/app-layout.tsx'), 'AppLayout'),
})

const chatPage = lazyRouteComponent(() => import('./pages/chat/chat-page.tsx'), 'ChatPage')
const chat = createRoute({ getParentRoute: () => app, path: '/chat', component: chatPage })
const conversation = createRoute({
  getParentRoute: () => app,
  path: '/chat/$conversationId',
  component: chatPage,
})

const instance = createRoute({
  getParentRoute: () => app,
  path: '/instance',
  component: lazyRouteComponent(() => import('./pages/instance/instance-layout.tsx'), 'InstanceLayout'),
})
const instanceOverview = createRoute({
  getParentRoute: () => instance,
  path: '/',
  component: lazyRouteComponent(() => import('./pages/instance/instance-page.tsx'), 'InstancePage'),
})

const backups = createRoute({
  getParentRoute: () => instance,
  path: '/backups',
  component: lazyRouteComponent(() => import('./pages/backups/backups-page.tsx'), 'BackupsPage'),
})
const secrets = createRoute({
  getParentRoute: () => instance,
  path: '/secrets',
  component: lazyRouteComponent(() => import('./pages/secrets/secrets-page.tsx'), 'SecretsPage'),
})
const egress = createRoute({
  getParentRoute: () => instance,
  path: '/egress',
  component: lazyRouteComponent(() => import('./pages/egress/egress-page.tsx'), 'EgressPage'),
})
const domains = createRoute({
  getParentRoute: () => instance,
  path: '/domains',
  component: lazyRouteComponent(() => import('./pages/domains/domains-page.tsx'), 'DomainsPage'),
})

const credits = createRoute({
  getParentRoute: () => app,
  path: '/credits',
  component: lazyRouteComponent(() => import('./pages/credits/credits-layout.tsx'), 'CreditsLayout'),
})
const creditsOverview = createRoute({
  getParentRoute: () => credits,
  path: '/',
  // Where Stripe's page sends people back to.
  validateSearch: (search: Record<string, unknown>): { payment?: string; canceled?: true } => ({
    ...(typeof search.payment === 'string' ? { payment: search.payment } : {}),
    ...(search.canceled === true ? { canceled: true } : {}),
  }),
  component: lazyRouteComponent(() => import('./pages/credits/credits-page.tsx'), 'CreditsPage'),
})
const usage = createRoute({
  getParentRoute: () => credits,
  path: '/usage',
  component: lazyRouteComponent(() => import('./pages/credits/usage-page.tsx'), 'UsagePage'),
})
const budgets = createRoute({
  getParentRoute: () => credits,
  path: '/budgets',
  component: lazyRouteComponent(() => import('./pages/credits/budgets-page.tsx'), 'BudgetsPage'),
})
const statement = createRoute({
  getParentRoute: () => credits,
  path: '/statement',
  component: lazyRouteComponent(() => import('./pages/credits/statement-page.tsx'), 'StatementPage'),
})
const prices = createRoute({
  getParentRoute: () => credits,
  path: '/prices',
  component: lazyRouteComponent(() => import('./pages/credits/prices-page.tsx'), 'PricesPage'),
})

const admin = createRoute({
  getParentRoute: () => app,
  path: '/admin',
  component: lazyRouteComponent(() => import('./pages/admin/admin-page.tsx'), 'AdminPage'),
})

const settings = createRoute({
  getParentRoute: () => app,
  path: '/settings',
  component: lazyRouteComponent(() => import('./pages/settings/settings-layout.tsx'), 'SettingsLayout'),
})
const settingsStart = createRoute({
  getParentRoute: () => settings,
  path: '/',
  beforeLoad: () => {
    throw redirect(paths.apiKeys())
  },
})
const apiKeys = createRoute({
  getParentRoute: () => settings,
  path: '/api-keys',
  component: lazyRouteComponent(() => import('./pages/settings/api-keys-page.tsx'), 'ApiKeysPage'),
})
const members = createRoute({
  getParentRoute: () => settings,
  path: '/members',
  component: lazyRouteComponent(() => import('./pages/settings/members-page.tsx'), 'MembersPage'),
})
const organization = createRoute({
  getParentRoute: () => settings,
  path: '/organization',
  component: lazyRouteComponent(() => import('./pages/settings/organization-page.tsx'), 'OrganizationPage'),
})

const routeTree = root.addChildren([
  landing,
  signUp,
  logIn,
  invitation,
  acceptInvitation,
  verifyEmail,
  app.addChildren([
    chat,
    conversation,
    instance.addChildren([instanceOverview, backups, secrets, egress, domains]),
    credits.addChildren([creditsOverview, usage, budgets, statement, prices]),
    admin,
    settings.addChildren([settingsStart, apiKeys, members, organization]),
  ]),
])

export const router = createRouter({
  routeTree,
  defaultPreload: 'intent',
  defaultErrorComponent: ErrorPage,
  defaultNotFoundComponent: NotFoundPage,
  scrollRestoration: true,
})

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router
  }
}

function readReturn(search: Record<string, unknown>): { return?: string } {
  const path = safeReturnPath(search.return)
  return path ? { return: path } : {}
}

async function leaveWhenSignedIn({ search }: { search: { return?: string } }): Promise<void> {
  const user = await restoreSession().catch(() => undefined)
  if (user) throw redirect({ href: search.return ?? '/chat' })
}
