import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Accounts, LogIn } from '../../domain/accounts/accounts.ts'
import type { EmailVerification } from '../../domain/accounts/email-verification.ts'
import { type Authenticator, requirePerson } from '../../domain/accounts/principal.ts'
import { refreshTokenSeconds } from '../../domain/accounts/refresh-tokens.ts'
import { ReefError, unauthenticated } from '../../errors.ts'
import type { RateLimits } from '../rate-limit.ts'
import {
  logInBodySchema,
  logOutBodySchema,
  refreshBodySchema,
  signUpBodySchema,
  tokensSchema,
  verifyEmailBodySchema,
} from '../schemas/accounts.ts'
import { emptySchema } from '../schemas/common.ts'
import { errorResponses } from '../schemas/errors.ts'
import { bearerSecurity, requirePrincipal, type Server } from '../server.ts'

export interface AuthRouteDeps {
  authenticator: Authenticator
  accounts: Accounts
  emailVerification: EmailVerification
  rateLimits: RateLimits
  /** Where people reach the dashboard; the cookie is `Secure` when that is https. */
  publicUrl: () => string
}

const cookieName = 'reef_refresh'
/** Sent to these routes and to nothing else: no other handler, and no proxied instance, ever sees it. */
const cookiePath = '/api/auth'

export function registerAuthRoutes(app: Server, deps: AuthRouteDeps): void {
  const cookieOptions = () =>
    ({
      path: cookiePath,
      httpOnly: true,
      sameSite: 'strict',
      secure: new URL(deps.publicUrl()).protocol === 'https:',
    }) as const

  const answer = (reply: FastifyReply, logIn: LogIn): LogIn => {
    reply.setCookie(cookieName, logIn.refreshToken, { ...cookieOptions(), maxAge: refreshTokenSeconds })
    // Tokens belong in no cache (RFC 6749, 5.1).
    reply.header('cache-control', 'no-store')
    return logIn
  }

  app.post(
    '/api/auth/sign-up',
    {
      schema: {
        tags: ['auth'],
        summary: 'Make an account and a personal organization, and log in',
        body: signUpBodySchema,
        response: { 201: tokensSchema, ...errorResponses(400, 409, 413, 429) },
      },
    },
    async (request, reply) => {
      await deps.rateLimits.signUpAttempt(request.ip)
      return reply
        .status(201)
        .send(answer(reply, await deps.accounts.signUp({ ...request.body, address: request.ip })))
    },
  )

  app.post(
    '/api/auth/log-in',
    {
      schema: {
        tags: ['auth'],
        summary: 'Log in with e-mail address and password',
        body: logInBodySchema,
        response: { 200: tokensSchema, ...errorResponses(400, 401, 413, 429) },
      },
    },
    async (request, reply) => {
      const { email, password } = request.body
      await deps.rateLimits.logInAttempt(request.ip, email)
      const logIn = await deps.accounts.logIn({ email, password })
      await deps.rateLimits.logInSucceeded(email)
      return answer(reply, logIn)
    },
  )

  app.post(
    '/api/auth/refresh',
    {
      schema: {
        tags: ['auth'],
        summary: 'Trade the refresh token for a new pair',
        description:
          'A refresh token is good once. Using one again ends the log-in it belongs to, so refresh one at a time; only the ' +
          'very same attempt can be repeated, when its answer was lost.',
        body: refreshBodySchema.nullish(),
        response: { 200: tokensSchema, ...errorResponses(400, 401, 413) },
      },
    },
    async (request, reply) => {
      const refreshToken = findRefreshToken(request, request.body?.refreshToken)
      if (!refreshToken)
        throw unauthenticated('refresh_token_missing', 'There is no log-in to refresh. Log in first.')
      try {
        return answer(reply, await deps.accounts.refresh(refreshToken, request.body?.attempt))
      } catch (error) {
        // What the browser holds is of no use any more; while the database is away it still is.
        const isOver = error instanceof ReefError && error.kind === 'unauthenticated'
        if (isOver && !request.body?.refreshToken) reply.clearCookie(cookieName, cookieOptions())
        throw error
      }
    },
  )

  app.post(
    '/api/auth/log-out',
    {
      schema: {
        tags: ['auth'],
        summary: 'End the log-in that the refresh token belongs to',
        body: logOutBodySchema.nullish(),
        response: { 200: emptySchema, ...errorResponses(400, 413) },
      },
    },
    async (request, reply) => {
      const refreshToken = findRefreshToken(request, request.body?.refreshToken)
      if (refreshToken) await deps.accounts.logOut(refreshToken)
      if (!request.body?.refreshToken) reply.clearCookie(cookieName, cookieOptions())
      return {}
    },
  )

  registerVerificationRoutes(app, deps)
}

function registerVerificationRoutes(app: Server, deps: AuthRouteDeps): void {
  app.post(
    '/api/auth/verify-email',
    {
      schema: {
        tags: ['auth'],
        summary: 'Confirm an e-mail address by the token of the link that was sent to it',
        body: verifyEmailBodySchema,
        response: { 200: emptySchema, ...errorResponses(400, 409, 413, 429) },
      },
    },
    async (request) => {
      await deps.rateLimits.verifyAttempt(request.ip)
      await deps.emailVerification.confirm(request.body.token)
      return {}
    },
  )

  app.post(
    '/api/auth/verify-email/resend',
    {
      onRequest: requirePrincipal(deps.authenticator),
      schema: {
        tags: ['auth'],
        summary: 'Send another link that confirms the caller’s e-mail address',
        security: bearerSecurity,
        response: { 200: emptySchema, ...errorResponses(401, 404, 409, 429, 503) },
      },
    },
    async ({ principal }) => {
      requirePerson(principal)
      await deps.emailVerification.resend(principal)
      return {}
    },
  )
}

/**
 * From the body (command line) or from the cookie (browser). SameSite=Strict does not keep out an instance's own page
 * at SLUG.DOMAIN, which is the same site, so the cookie counts only when the dashboard's own origin asked.
 */
function findRefreshToken(request: FastifyRequest, fromBody: string | undefined): string | undefined {
  if (fromBody !== undefined) return fromBody
  return isSameOrigin(request) ? request.cookies[cookieName] : undefined
}

function isSameOrigin(request: FastifyRequest): boolean {
  // Browsers send Sec-Fetch-Site from https and localhost, and no script can set it. Elsewhere there is Origin.
  const site = request.headers['sec-fetch-site']
  if (site !== undefined) return site === 'same-origin' || site === 'none'
  const { origin } = request.headers
  return origin === undefined || (URL.canParse(origin) && new URL(origin).host === request.headers.host)
}
