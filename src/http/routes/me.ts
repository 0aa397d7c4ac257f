import type { z } from 'zod'
import type { Me } from '../../domain/accounts/accounts.ts'
import type { EmailVerification } from '../../domain/accounts/email-verification.ts'
import { type Authenticator, type Principal, requireScope } from '../../domain/accounts/principal.ts'
import type { InstanceService } from '../../domain/instances/service.ts'
import type { Operators } from '../../domain/operators/operators.ts'
import { errorResponses } from '../schemas/errors.ts'
import { meSchema } from '../schemas/instances.ts'
import { bearerSecurity, requirePrincipal, type Server } from '../server.ts'
import { organizationBody } from './organizations.ts'

export interface MeRouteDeps {
  authenticator: Authenticator
  accounts: { getMe(principal: Principal): Promise<Me> }
  instances: Pick<InstanceService, 'findOwn'>
  operators: Pick<Operators, 'isOperator'>
  emailVerification: Pick<EmailVerification, 'findPending'>
}

export function registerMeRoutes(app: Server, deps: MeRouteDeps): void {
  app.get(
    '/api/me',
    {
      onRequest: requirePrincipal(deps.authenticator),
      schema: {
        tags: ['instances'],
        summary: 'Who I am, and how my instance is',
        security: bearerSecurity,
        response: { 200: meSchema, ...errorResponses(401, 404) },
      },
    },
    async ({ principal }) => {
      requireScope(principal, 'instances:read')
      const [me, instance, operator, emailToConfirm] = await Promise.all([
        deps.accounts.getMe(principal),
        deps.instances.findOwn(principal),
        principal.kind === 'person' && deps.operators.isOperator(principal.userId),
        principal.kind === 'person' ? deps.emailVerification.findPending(principal.userId) : null,
      ])
      return {
        user: me.user,
        organization: organizationBody(me.organization),
        organizations: me.organizations.map(organizationBody),
        status: statusOf(instance?.status),
        instance: instance ?? null,
        operator,
        emailToConfirm,
      }
    },
  )
}

type Status = z.infer<typeof meSchema>['status']

/** In the five words that a gate in front of the chat needs: one that is stopping or going is as good as stopped. */
function statusOf(status: string | undefined): Status {
  switch (status) {
    case 'provisioning':
    case 'running':
    case 'suspended':
    case 'failed':
      return status
    default:
      return 'stopped'
  }
}
