import { confirm, isCancel } from '@clack/prompts'
import type { Command } from 'commander'
import { z } from 'zod'
import { backupSchema, restorePreviewSchema, restoreSchema } from '../../http/schemas/backups.ts'
import type { ReefClient } from '../client.ts'
import { addRemoteOptions, findInstance, openClient, type RemoteOptions } from '../context.ts'
import { CliError } from '../failure.ts'
import { formatAge, formatBytes, formatFields, formatTable, printJson } from '../output.ts'

type Backup = z.infer<typeof backupSchema>
type Preview = z.infer<typeof restorePreviewSchema>

interface BackupOptions extends RemoteOptions {
  instance?: string
  wait?: boolean
}

interface RestoreOptions extends BackupOptions {
  backup?: string
  preview?: boolean
  yes?: boolean
}

const pollMilliseconds = 1_000
/** A large state on a busy machine; whoever loses patience finds it in `reef backups`. */
const waitMillisecondsMax = 3_600_000

export function addBackupCommands(program: Command): void {
  addRemoteOptions(program.command('backup'))
    .description('Back your instance up now.')
    .option('--instance <slug>', 'another instance of the organization')
    .option('--no-wait', 'return as soon as it is asked for')
    .addHelpText('after', '\nExample:\n  reef backup')
    .action(backUp)

  addRemoteOptions(program.command('backups'))
    .description('List the backups of your instance, the newest first.')
    .option('--instance <slug>', 'another instance of the organization')
    .addHelpText('after', '\nExample:\n  reef backups --json | jq -r .[0].id')
    .action(listBackups)

  addRemoteOptions(program.command('restore'))
    .description('Put a backup in place of an instance’s state. What is there now is backed up first.')
    .argument('[user]', 'e-mail address of whose instance it is (default: yours)')
    .argument('[date]', 'the last backup of this day, UTC (default: the newest)')
    .option('--backup <id>', 'this backup, of `reef backups`')
    .option('--instance <slug>', 'another instance of the organization')
    .option('--preview', 'only say what would change')
    .option('--yes', 'do not ask')
    .option('--no-wait', 'return as soon as it is asked for')
    .addHelpText(
      'after',
      '\nExamples:\n  reef restore --preview\n  reef restore 2026-02-08\n  reef restore ada@example.com 2026-02-08 --yes',
    )
    .action(restore)
}

async function backUp(options: BackupOptions): Promise<void> {
  const client = await openClient(options)
  const { id } = await findInstance(client, options.instance)
  const asked = await client.call('/api/backup', {
    method: 'POST',
    body: { instanceId: id },
    answer: backupSchema,
  })
  const backup =
    options.wait === false
      ? asked
      : await poll(
          () => client.call(`/api/backups/${asked.id}`, { answer: backupSchema }),
          ({ state }) => state !== 'requested' && state !== 'running',
        )
  if (backup.state === 'failed')
    throw new CliError('failed', backup.problem ?? 'The backup failed. Try again, or look at: reef logs')
  if (options.json) return printJson(backup)
  console.log(
    backup.state === 'complete'
      ? `Backed up: ${formatBytes(backup.storedBytes ?? 0)}, ${backup.conversationCount ?? 0} conversations (${backup.id})`
      : `Asked for a backup (${backup.id}). See: reef backups`,
  )
}

async function listBackups(options: BackupOptions): Promise<void> {
  const client = await openClient(options)
  const { id } = await findInstance(client, options.instance)
  const { backups } = await client.call(`/api/instances/${id}/backups`, {
    answer: z.object({ backups: z.array(backupSchema) }),
  })
  if (options.json) return printJson(backups)
  console.log(
    backups.length === 0 ? 'No backups yet. Take one: reef backup' : formatBackups(backups, new Date()),
  )
}

export function formatBackups(backups: Backup[], now: Date): string {
  return formatTable(
    ['id', 'taken', 'kind', 'state', 'size', 'conversations', 'where', 'verified'],
    backups.map((backup) => [
      backup.id,
      formatAge(backup.completedAt ?? backup.requestedAt, now),
      backup.kind === 'full' ? backup.reason.replace('_', ' ') : backup.kind,
      backup.problem === null ? backup.state : `${backup.state}: ${backup.problem}`,
      backup.storedBytes === null ? '' : formatBytes(backup.storedBytes),
      String(backup.conversationCount ?? ''),
      backup.locations.join(' '),
      formatAge(backup.verifiedAt, now),
    ]),
  )
}

async function restore(
  first: string | undefined,
  second: string | undefined,
  options: RestoreOptions,
): Promise<void> {
  const client = await openClient(options)
  const body = await wishOf(client, first, second, options)
  const preview = await client.call('/api/restore', {
    method: 'POST',
    body: { ...body, preview: true },
    answer: restorePreviewSchema,
  })
  if (options.preview)
    return options.json ? printJson(preview) : console.log(formatPreview(preview, new Date()))
  if (!options.yes) await askFirst(preview)
  const asked = await client.call('/api/restore', {
    method: 'POST',
    // The very one that was shown, should another be taken meanwhile.
    body: { ...body, date: undefined, backupId: preview.backup.id },
    answer: restoreSchema,
  })
  const done =
    options.wait === false
      ? asked
      : await poll(
          () => client.call(`/api/restores/${asked.id}`, { answer: restoreSchema }),
          ({ state }) => state === 'succeeded' || state === 'failed',
        )
  if (done.state === 'failed') throw new CliError('failed', done.message ?? 'The restore failed.')
  if (options.json) return printJson(done)
  console.log(
    done.state === 'succeeded'
      ? `Restored. To go back to what was there before: reef restore --backup ${done.safetyBackupId}`
      : `Asked for a restore (${done.id}).`,
  )
}

/** `restore`, `restore DATE`, `restore USER` and `restore USER DATE`. */
async function wishOf(
  client: ReefClient,
  first: string | undefined,
  second: string | undefined,
  options: RestoreOptions,
) {
  const user = first?.includes('@') ? first : undefined
  const date = user === undefined ? first : second
  if (user === undefined && second !== undefined)
    throw new CliError('usage', `${first} is not an e-mail address. Write: reef restore USER DATE`)
  return {
    ...(user === undefined ? {} : { user }),
    ...(options.instance ? { instanceId: (await findInstance(client, options.instance)).id } : {}),
    ...(date === undefined ? {} : { date }),
    ...(options.backup ? { backupId: options.backup } : {}),
  }
}

async function askFirst(preview: Preview): Promise<void> {
  console.error(formatPreview(preview, new Date()))
  if (!process.stdin.isTTY) throw new CliError('usage', 'Add --yes to restore without being asked.')
  const answer = await confirm({ message: 'Put this in place of what is there now?', initialValue: false })
  if (isCancel(answer) || !answer) throw new CliError('usage', 'Nothing was changed.')
}

export function formatPreview(preview: Preview, now: Date): string {
  const { backup, conversations, lost } = preview
  const fields: [string, string][] = [
    ['Backup', `${backup.id}, taken ${formatAge(backup.completedAt, now)} (${backup.completedAt})`],
    ['Conversations', `${conversations.now ?? '?'} now, ${conversations.after ?? '?'} after it`],
    ['Given up', `what was said and changed since ${lost.since}`],
  ]
  if (preview.openclawVersion.after !== preview.openclawVersion.now)
    fields.push(['OpenClaw', `saved by ${preview.openclawVersion.after ?? '?'}`])
  fields.push(['Kept', 'what is there now, as a backup of its own'])
  return formatFields(fields)
}

async function poll<T>(look: () => Promise<T>, isDone: (found: T) => boolean): Promise<T> {
  const deadline = Date.now() + waitMillisecondsMax
  for (;;) {
    const found = await look()
    if (isDone(found) || Date.now() > deadline) return found
    await new Promise((done) => setTimeout(done, pollMilliseconds))
  }
}
