import { z } from 'zod'
import type { Invitation, Invitations } from '../../domain/accounts/invitations.ts'
import type { Member, Members } from '../../domain/accounts/members.ts'
import type { Organization, Organizations } from '../../domain/accounts/organizations.ts'
import type { Authenticator } from '../../domain/accounts/principal.ts'
import {
  acceptInvitationBodySchema,
  createInvitationBodySchema,
  invitationSchema,
  memberSchema,
  newInvitationSchema,
  organizationBodySchema,
  organizationSchema,
  updateMemberBodySchema,
} from '../schemas/accounts.ts'
import { emptySchema, idSchema } from '../schemas/common.ts'
import { errorResponses } from '../schemas/errors.ts'
import { bearerSecurity, requirePrincipal, type Server } from '../server.ts'

export interface OrganizationRouteDeps {
  authenticator: Authenticator
  organizations: Organizations
  members: Members
  invitations: Invitations
  /** Where people reach the dashboard: links of invitations lead there. */
  publicUrl: () => string
}

const organizationParams = z.object({ organizationId: idSchema })

export function registerOrganizationRoutes(app: Server, deps: OrganizationRouteDeps): void {
  const shared = { tags: ['organizations'], security: bearerSecurity }
  const onRequest = requirePrincipal(deps.authenticator)
  const inOrganization = requirePrincipalOfPath(deps.authenticator)

  app.get(
    '/api/orgs',
    {
      onRequest,
      schema: {
        ...shared,
        summary: 'Organizations that the caller is a member of',
        response: {
          200: z.object({ organizations: z.array(organizationSchema) }),
          ...errorResponses(401, 404),
        },
      },
    },
    async (request) => ({
      organizations: (await deps.organizations.list(request.principal)).map(organizationBody),
    }),
  )

  app.post(
    '/api/orgs',
    {
      onRequest,
      schema: {
        ...shared,
        summary: 'Make an organization; the caller becomes its owner',
        body: organizationBodySchema,
        response: { 201: organizationSchema, ...errorResponses(400, 401, 404, 413) },
      },
    },
    async (request, reply) =>
      reply
        .status(201)
        .send(organizationBody(await deps.organizations.create(request.principal, request.body))),
  )

  app.get(
    '/api/orgs/:organizationId',
    {
      onRequest: inOrganization,
      schema: {
        ...shared,
        summary: 'One organization',
        params: organizationParams,
        response: { 200: organizationSchema, ...errorResponses(400, 401, 404) },
      },
    },
    async (request) => organizationBody(await deps.organizations.get(request.principal)),
  )

  app.patch(
    '/api/orgs/:organizationId',
    {
      onRequest: inOrganization,
      schema: {
        ...shared,
        summary: 'Rename an organization (owners and admins)',
        params: organizationParams,
        body: organizationBodySchema,
        response: { 200: organizationSchema, ...errorResponses(400, 401, 404, 413) },
      },
    },
    async (request) => organizationBody(await deps.organizations.rename(request.principal, request.body)),
  )

  registerMemberRoutes(app, deps, shared, inOrganization)
  registerInvitationRoutes(app, deps, shared, inOrganization)

  app.post(
    '/api/invitations/accept',
    {
      onRequest,
      schema: {
        ...shared,
        summary: 'Join an organization by an invitation to the caller’s own e-mail address',
        body: acceptInvitationBodySchema,
        response: { 200: organizationSchema, ...errorResponses(400, 401, 404, 409, 413) },
      },
    },
    async (request) => organizationBody(await deps.invitations.accept(request.principal, request.body.token)),
  )
}

type Shared = { tags: string[]; security: typeof bearerSecurity }
type Hook = ReturnType<typeof requirePrincipal>

const memberParams = organizationParams.extend({ userId: idSchema })

function registerMemberRoutes(
  app: Server,
  deps: OrganizationRouteDeps,
  shared: Shared,
  onRequest: Hook,
): void {
  app.get(
    '/api/orgs/:organizationId/members',
    {
      onRequest,
      schema: {
        ...shared,
        summary: 'Members',
        params: organizationParams,
        response: { 200: z.object({ members: z.array(memberSchema) }), ...errorResponses(400, 401, 404) },
      },
    },
    async (request) => ({ members: (await deps.members.list(request.principal)).map(memberBody) }),
  )

  app.patch(
    '/api/orgs/:organizationId/members/:userId',
    {
      onRequest,
      schema: {
        ...shared,
        summary: 'Change a member’s role (owners and admins; only owners make owners)',
        params: memberParams,
        body: updateMemberBodySchema,
        response: { 200: memberSchema, ...errorResponses(400, 401, 404, 409, 413) },
      },
    },
    async (request) =>
      memberBody(await deps.members.setRole(request.principal, request.params.userId, request.body.role)),
  )

  app.delete(
    '/api/orgs/:organizationId/members/:userId',
    {
      onRequest,
      schema: {
        ...shared,
        summary: 'Remove a member, or leave',
        params: memberParams,
        response: { 200: emptySchema, ...errorResponses(400, 401, 404, 409) },
      },
    },
    async (request) => {
      await deps.members.remove(request.principal, request.params.userId)
      return {}
    },
  )
}

const invitationParams = organizationParams.extend({ invitationId: idSchema })

function registerInvitationRoutes(
  app: Server,
  deps: OrganizationRouteDeps,
  shared: Shared,
  onRequest: Hook,
): void {
  app.get(
    '/api/orgs/:organizationId/invitations',
    {
      onRequest,
      schema: {
        ...shared,
        summary: 'Open invitations (owners and admins)',
        params: organizationParams,
        response: {
          200: z.object({ invitations: z.array(invitationSchema) }),
          ...errorResponses(400, 401, 404),
        },
      },
    },
    async (request) => ({
      invitations: (await deps.invitations.list(request.principal)).map(invitationBody),
    }),
  )

  app.post(
    '/api/orgs/:organizationId/invitations',
    {
      onRequest,
      schema: {
        ...shared,
        summary: 'Invite a person by e-mail address (owners and admins)',
        description: 'Replaces an open invitation of the same address. Good for 7 days.',
        params: organizationParams,
        body: createInvitationBodySchema,
        response: { 201: newInvitationSchema, ...errorResponses(400, 401, 404, 409, 413) },
      },
    },
    async (request, reply) => {
      const { invitation, token } = await deps.invitations.create(request.principal, request.body)
      // After the #, so that the token reaches no server log and no Referer header.
      const url = new URL(`/invitation#${token}`, deps.publicUrl()).href
      return reply.status(201).send({ ...invitationBody(invitation), token, url })
    },
  )

  app.delete(
    '/api/orgs/:organizationId/invitations/:invitationId',
    {
      onRequest,
      schema: {
        ...shared,
        summary: 'Withdraw an invitation (owners and admins)',
        params: invitationParams,
        response: { 200: emptySchema, ...errorResponses(400, 401, 404) },
      },
    },
    async (request) => {
      await deps.invitations.revoke(request.principal, request.params.invitationId)
      return {}
    },
  )
}

/** As `requirePrincipal`, for routes whose path names the organization: there it counts and the header does not. */
export function requirePrincipalOfPath(authenticator: Authenticator): Hook {
  return async (request) => {
    const { organizationId } = (request as unknown as { params: { organizationId: string } }).params
    request.principal = await authenticator.authenticate({
      // Node joins repeated Authorization headers into none: it keeps the first, as a text.
      authorization: request.headers.authorization as string | undefined,
      organizationId,
    })
  }
}

export function organizationBody(organization: Organization): z.infer<typeof organizationSchema> {
  return { ...organization, createdAt: organization.createdAt.toISOString() }
}

function memberBody(member: Member): z.infer<typeof memberSchema> {
  return { ...member, joinedAt: member.joinedAt.toISOString() }
}

function invitationBody(invitation: Invitation): z.infer<typeof invitationSchema> {
  return {
    ...invitation,
    createdAt: invitation.createdAt.toISOString(),
    expiresAt: invitation.expiresAt.toISOString(),
  }
}
