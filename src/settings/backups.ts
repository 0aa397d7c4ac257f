import { z } from 'zod'
import { flag } from './kinds.ts'

/** When backups are taken, where they are kept and for how long. */
export const backupsSettings = {
  REEF_BACKUP_DIR: z
    .string()
    .optional()
    .describe('Directory for backups on this machine. Default: backups in the data directory.'),
  REEF_BACKUP_AT: z
    .string()
    .regex(/^(never|([01]\d|2[0-3]):[0-5]\d)$/, 'is HH:MM in UTC, or never')
    .default('03:00')
    .describe('When instances that changed are backed up each day, HH:MM in UTC, or never.'),
  REEF_BACKUP_JITTER_MINUTES: z.coerce
    .number()
    .int()
    .min(0)
    .max(720)
    .default(60)
    .describe('Daily backups are spread over so many minutes, so that not all are taken at once.'),
  REEF_BACKUP_CHECKPOINTS: flag('1').describe(
    'Save what changed after each turn, so that an instance that dies loses at most the turn in flight (0: only backups).',
  ),
  REEF_BACKUP_DRAIN_SECONDS: z.coerce
    .number()
    .min(0)
    .max(600)
    .default(10)
    .describe('How long a backup waits for turns in flight; it is consistent in any case.'),
  REEF_BACKUP_LOCAL_DAYS: z.coerce
    .number()
    .min(1)
    .default(7)
    .describe('How long backups stay on this machine.'),
  REEF_BACKUP_REMOTE_DAYS: z.coerce
    .number()
    .min(1)
    .default(30)
    .describe('How long backups stay in the bucket; on this machine if there is no bucket.'),
  REEF_BACKUP_DRILL_DAYS: z.coerce
    .number()
    .min(0)
    .default(7)
    .describe('How often the newest backup of each instance is restored on trial, in days (0: never).'),
  REEF_BACKUP_GIBIBYTES_MAX: z.coerce
    .number()
    .positive()
    .default(50)
    .describe(
      'Largest backup of an instance, compressed, that is kept; with Docker at most twice REEF_DOCKER_DISK_GIBIBYTES.',
    ),
  REEF_BACKUP_S3_BUCKET: z
    .string()
    .optional()
    .describe('Bucket for a second copy of every backup: AWS, MinIO, R2, or Google by its XML API.'),
  REEF_BACKUP_S3_PREFIX: z
    .string()
    .default('reef')
    .transform((prefix) => prefix.replace(/^\/+|\/+$/g, ''))
    .describe('Folder in the bucket.'),
  REEF_BACKUP_S3_REGION: z.string().default('us-east-1').describe('Region of the bucket; `auto` for R2.'),
  REEF_BACKUP_S3_ENDPOINT: z.url().optional().describe('Where the bucket is, if not at AWS.'),
  REEF_BACKUP_S3_ACCESS_KEY_ID: z
    .string()
    .optional()
    .describe('Key for the bucket. Default: what the machine or its environment offers.'),
  REEF_BACKUP_S3_SECRET_ACCESS_KEY: z
    .string()
    .optional()
    .describe('Belongs to REEF_BACKUP_S3_ACCESS_KEY_ID.'),
}
