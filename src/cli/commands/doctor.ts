import { styleText } from 'node:util'
import type { Command } from 'commander'
import type { Check } from '../doctor/checks.ts'
import { CliError } from '../failure.ts'
import { printJson } from '../output.ts'

export function addDoctorCommand(program: Command): void {
  program
    .command('doctor')
    .description('Check what Reef needs of this machine, and say what to do about what is missing.')
    .option('--json', 'print JSON for other programs')
    .addHelpText('after', '\nExample:\n  reef doctor')
    .action(async (options: { json?: boolean }) => {
      // Loaded on demand: the checks know the database's and the driver's code, which no other command needs.
      const { runChecks } = await import('../doctor/checks.ts')
      const checks = await runChecks(process.env)
      if (options.json) printJson(checks)
      else console.log(formatChecks(checks))
      const problems = checks.filter(({ state }) => state === 'problem').length
      if (problems > 0)
        throw new CliError(
          'failed',
          problems === 1 ? 'There is 1 problem.' : `There are ${problems} problems.`,
        )
    })
}

const marks = {
  ok: styleText('green', '✔'),
  problem: styleText('red', '✘'),
  optional: styleText('yellow', '○'),
}

function formatChecks(checks: Check[]): string {
  const width = Math.max(...checks.map(({ name }) => name.length))
  return checks
    .map(
      ({ name, state, detail }) =>
        `${marks[state]} ${name.padEnd(width)}  ${detail.replaceAll('\n', '\n    ')}`,
    )
    .join('\n')
}
