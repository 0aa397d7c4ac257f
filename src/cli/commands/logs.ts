import { styleText } from 'node:util'
import type { Command } from 'commander'
import { logLinesSchema } from '../answers.ts'
import { addRemoteOptions, findInstance, openClient, type RemoteOptions } from '../context.ts'
import { CliError } from '../failure.ts'
import { followLogs, type LogLine } from '../live-logs.ts'

export function addLogsCommand(program: Command): void {
  addRemoteOptions(program.command('logs'))
    .description('Show what OpenClaw and its supervisor wrote.')
    .option('-f, --follow', 'go on showing new lines, until Ctrl-C')
    .option('--tail <lines>', 'how many of the latest lines', '200')
    .option('--instance <slug>', 'another instance of the organization')
    .addHelpText('after', '\nExamples:\n  reef logs -f\n  reef logs --tail 1000 | grep -i error')
    .action(showLogs)
}

async function showLogs(
  options: RemoteOptions & { follow?: boolean; tail: string; instance?: string },
): Promise<void> {
  const tail = Number(options.tail)
  if (!Number.isInteger(tail) || tail < 1) throw new CliError('usage', '--tail is a number of lines, from 1.')
  const client = await openClient(options)
  const { id } = await findInstance(client, options.instance)
  const print = (line: LogLine) => console.log(options.json ? JSON.stringify(line) : formatLogLine(line))
  if (options.follow) {
    for await (const line of followLogs(client, id)) print(line)
    return
  }
  const { lines } = await client.call(`/api/instances/${id}/logs?tail=${tail}`, { answer: logLinesSchema })
  for (const line of lines) print(line)
}

/** The person's own time of day; the date is in --json. */
export function formatLogLine(line: LogLine): string {
  const time = new Date(line.at).toLocaleTimeString('en-GB')
  const mark = line.source === 'supervisor' ? 'supervisor: ' : ''
  return `${styleText('dim', time)} ${mark}${line.text}`
}
