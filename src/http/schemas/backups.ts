import { z } from 'zod'
import { idSchema, timeSchema } from './common.ts'

const countSchema = z.number().int().nullable()

export const backupSchema = z
  .object({
    id: idSchema,
    instanceId: idSchema,
    kind: z
      .enum(['full', 'checkpoint'])
      .describe('A checkpoint is taken after turns and holds what changed since a full backup.'),
    reason: z.enum([
      'scheduled',
      'on_demand',
      'before_upgrade',
      'before_restore',
      'before_archive',
      'checkpoint',
    ]),
    state: z.enum(['requested', 'running', 'complete', 'failed', 'deleted']),
    storedBytes: countSchema.describe('As it is stored: compressed and encrypted.'),
    contentBytes: countSchema,
    fileCount: countSchema,
    conversationCount: countSchema,
    openclawVersion: z.string().nullable(),
    locations: z.array(z.enum(['local', 'remote'])),
    requestedAt: timeSchema,
    completedAt: timeSchema.nullable(),
    verifiedAt: timeSchema
      .nullable()
      .describe('When it was last restored with success, in a drill or for good.'),
    problem: z.string().nullable(),
  })
  .meta({ id: 'Backup' })

export const restoreSchema = z
  .object({
    id: idSchema,
    instanceId: idSchema,
    backupId: idSchema,
    safetyBackupId: idSchema.nullable().describe('What was there before, to go back to.'),
    kind: z.enum(['requested', 'first']).describe('first: the instance took a machine without state.'),
    state: z
      .enum(['securing', 'ordered', 'succeeded', 'failed'])
      .describe('securing: what is there now is backed up first.'),
    message: z.string().nullable(),
    requestedAt: timeSchema,
    finishedAt: timeSchema.nullable(),
  })
  .meta({ id: 'Restore' })

const changeSchema = z.object({ after: countSchema, now: countSchema })

export const restorePreviewSchema = z
  .object({
    backup: backupSchema,
    conversations: changeSchema,
    lost: z.object({
      since: timeSchema.describe('What was said and changed after this is given up.'),
      conversationsChanged: z.boolean(),
      backupsInBetween: z.number().int(),
    }),
    openclawVersion: z.object({ after: z.string().nullable(), now: z.string().nullable() }),
    contentBytes: changeSchema,
  })
  .meta({ id: 'RestorePreview' })

export const drillSchema = z
  .object({
    id: idSchema,
    backupId: idSchema,
    state: z.enum(['running', 'passed', 'failed']),
    message: z.string().nullable(),
    startedAt: timeSchema,
    finishedAt: timeSchema.nullable(),
  })
  .meta({ id: 'BackupDrill' })

export const alarmSchema = z
  .object({
    id: idSchema,
    kind: z.string(),
    instanceId: idSchema.nullable().describe('Null: of the whole Reef.'),
    message: z.string(),
    raisedAt: timeSchema,
    seenAt: timeSchema,
  })
  .meta({ id: 'BackupAlarm' })

/** Whose instance: the caller's own without any. */
const whoseShape = {
  instanceId: idSchema.optional(),
  user: z.email().max(254).optional().describe('Whose instance, for those who administer the organization.'),
}

export const backupBodySchema = z.strictObject(whoseShape)

const choiceShape = {
  backupId: idSchema.optional().describe('Without it: the newest.'),
  date: z
    .string()
    .regex(/^\d{4}-\d{2}-\d{2}$/, 'is a day like 2026-02-08')
    .optional()
    .describe('The last backup until the end of this day, UTC.'),
}

export const restoreBodySchema = z.strictObject({
  ...whoseShape,
  ...choiceShape,
  preview: z.boolean().optional().describe('Only say what would change.'),
})
