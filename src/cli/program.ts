import { Command } from 'commander'
import manifest from '../../package.json' with { type: 'json' }
import { addAccountCommands } from './commands/account.ts'
import { addBackupCommands } from './commands/backups.ts'
import { addChatCommand } from './commands/chat.ts'
import { addCreditCommands } from './commands/credits.ts'
import { addDoctorCommand } from './commands/doctor.ts'
import { addDomainsCommands } from './commands/domains.ts'
import { addEgressCommands } from './commands/egress.ts'
import { addInstanceCommands } from './commands/instance.ts'
import { addKeysCommands } from './commands/keys.ts'
import { addLogsCommand } from './commands/logs.ts'
import { addPaymentsCommands } from './commands/payments.ts'
import { addPriceCommands } from './commands/prices.ts'
import { addSecretsCommands } from './commands/secrets.ts'
import { addUsageCommand } from './commands/usage.ts'
import { addUpCommand } from './up/command.ts'

/** The whole command line. Every command but `up` and `doctor` talks HTTP to a running Reef and nothing else. */
export function createProgram(): Command {
  const program = new Command('reef')
    .description(manifest.description)
    .version(manifest.version, '-v, --version')
    .exitOverride()
    // Else a command with subcommands would take their options for its own.
    .enablePositionalOptions()
  addUpCommand(program)
  addAccountCommands(program)
  addInstanceCommands(program)
  addChatCommand(program)
  addLogsCommand(program)
  addBackupCommands(program)
  addCreditCommands(program)
  addPriceCommands(program)
  addUsageCommand(program)
  addKeysCommands(program)
  addEgressCommands(program)
  addSecretsCommands(program)
  addDomainsCommands(program)
  addPaymentsCommands(program)
  addDoctorCommand(program)
  return program
}
