import { Command } from 'commander'
import manifest from '../../package.json' with { type: 'json' }
import { addUpCommand } from './up/command.ts'

/** The whole command line. Every command but `up` and `doctor` talks HTTP to a running Reef and nothing else. */
export function createProgram(): Command {
  const program = new Command('reef')
    .description(manifest.description)
    .version(manifest.version, '-v, --version')
    .exitOverride()
  addUpCommand(program)
  return program
}
