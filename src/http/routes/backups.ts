import { z } from 'zod'
import { type Authenticator, type Principal, requireScope } from '../../domain/accounts/principal.ts'
import type { BackupService } from '../../domain/backups/service.ts'
import {
  alarmSchema,
  backupBodySchema,
  backupSchema,
  drillSchema,
  restoreBodySchema,
  restorePreviewSchema,
  restoreSchema,
} from '../schemas/backups.ts'
import { emptySchema, idSchema } from '../schemas/common.ts'
import { errorResponses } from '../schemas/errors.ts'
import { bearerSecurity, requirePrincipal, type Server } from '../server.ts'

export interface BackupRouteDeps {
  authenticator: Authenticator
  backups: BackupService
}

const shared = { tags: ['backups'], security: bearerSecurity }

export function registerBackupRoutes(app: Server, deps: BackupRouteDeps): void {
  registerActions(app, deps)
  registerDrill(app, deps)
  registerReads(app, deps)
}

function registerActions(app: Server, { authenticator, backups }: BackupRouteDeps): void {
  const onRequest = requirePrincipal(authenticator)
  // The body may be left out altogether: then it is about the caller's own instance.
  const preValidation = async (request: { body: unknown }): Promise<void> => {
    request.body ??= {}
  }
  const instanceOf = (
    principal: Principal,
    body: { instanceId?: string | undefined; user?: string | undefined },
  ) => body.instanceId ?? backups.findInstanceId(principal, body.user)

  app.post(
    '/api/backup',
    {
      onRequest,
      preValidation,
      schema: {
        ...shared,
        summary: 'Back an instance up now',
        body: backupBodySchema,
        response: { 202: backupSchema, ...errorResponses(400, 401, 404, 409) },
      },
    },
    async ({ principal, body }, reply) => {
      requireScope(principal, 'instances:write')
      return reply.status(202).send(await backups.backUp(principal, await instanceOf(principal, body)))
    },
  )

  app.post(
    '/api/restore',
    {
      onRequest,
      preValidation,
      schema: {
        ...shared,
        summary: 'Put a backup in place of an instance’s state, after backing that up',
        body: restoreBodySchema,
        response: {
          200: restorePreviewSchema,
          202: restoreSchema,
          ...errorResponses(400, 401, 404, 409),
        },
      },
    },
    async ({ principal, body }, reply) => {
      requireScope(principal, 'instances:write')
      const { backupId, date } = body
      const wish = { instanceId: await instanceOf(principal, body), backupId, date }
      if (body.preview) return reply.status(200).send(await backups.preview(principal, wish))
      return reply.status(202).send(await backups.restore(principal, wish))
    },
  )
}

function registerDrill(app: Server, { authenticator, backups }: BackupRouteDeps): void {
  app.post(
    '/api/instances/:instanceId/backup-drills',
    {
      onRequest: requirePrincipal(authenticator),
      schema: {
        ...shared,
        summary: 'Restore its newest backup on trial, on a machine that is then thrown away',
        params: z.strictObject({ instanceId: idSchema }),
        response: { 202: emptySchema, ...errorResponses(400, 401, 404, 409) },
      },
    },
    async ({ principal, params }, reply) => {
      requireScope(principal, 'instances:write')
      await backups.drill(principal, params.instanceId)
      return reply.status(202).send({})
    },
  )
}

function registerReads(app: Server, { authenticator, backups }: BackupRouteDeps): void {
  const onRequest = requirePrincipal(authenticator)
  const read = <Body extends z.ZodType, Params extends z.ZodType<Record<string, string>>>(
    path: string,
    summary: string,
    params: Params,
    body: Body,
    answer: (principal: Principal, params: z.output<Params>) => Promise<z.input<Body>>,
  ): void => {
    app.route({
      method: 'GET',
      url: path,
      onRequest,
      schema: {
        ...shared,
        summary,
        params,
        response: { 200: body, ...errorResponses(400, 401, 404) } as Record<number, z.ZodType>,
      },
      handler: async (request, reply) => {
        requireScope(request.principal, 'instances:read')
        // Checked by the schema right before.
        return reply.send(await answer(request.principal, request.params as z.output<Params>))
      },
    })
  }
  const ofInstance = z.strictObject({ instanceId: idSchema })

  read(
    '/api/instances/:instanceId/backups',
    'Backups of an instance, the newest first',
    ofInstance,
    z.object({ backups: z.array(backupSchema) }),
    async (principal, { instanceId }) => ({ backups: await backups.list(principal, instanceId) }),
  )
  read(
    '/api/instances/:instanceId/restores',
    'What was restored into an instance and what became of it, the newest first',
    ofInstance,
    z.object({ restores: z.array(restoreSchema) }),
    async (principal, { instanceId }) => ({ restores: await backups.listRestores(principal, instanceId) }),
  )
  read(
    '/api/instances/:instanceId/backup-drills',
    'Trial restores of its backups, the newest first',
    ofInstance,
    z.object({ drills: z.array(drillSchema) }),
    async (principal, { instanceId }) => ({ drills: await backups.listDrills(principal, instanceId) }),
  )
  read(
    '/api/backups/:backupId',
    'A backup',
    z.strictObject({ backupId: idSchema }),
    backupSchema,
    (principal, { backupId }) => backups.get(principal, backupId),
  )
  read(
    '/api/restores/:restoreId',
    'A restore and what became of it',
    z.strictObject({ restoreId: idSchema }),
    restoreSchema,
    (principal, { restoreId }) => backups.getRestore(principal, restoreId),
  )
  app.get(
    '/api/backups',
    {
      onRequest,
      schema: {
        ...shared,
        summary: 'My own backups, of instances that I deleted too',
        response: { 200: z.object({ backups: z.array(backupSchema) }), ...errorResponses(401, 404) },
      },
    },
    async ({ principal }) => {
      requireScope(principal, 'instances:read')
      return { backups: await backups.listOwn(principal) }
    },
  )
  app.get(
    '/api/backup-alarms',
    {
      onRequest,
      schema: {
        ...shared,
        summary: 'What is wrong with backups at the moment',
        response: { 200: z.object({ alarms: z.array(alarmSchema) }), ...errorResponses(401, 404) },
      },
    },
    async ({ principal }) => {
      requireScope(principal, 'instances:read')
      return { alarms: await backups.listAlarms(principal) }
    },
  )
}
