import { CommanderError } from 'commander'
import { CliError, exitCodes } from './failure.ts'
import { createProgram } from './program.ts'

try {
  await createProgram().parseAsync()
} catch (error) {
  process.exitCode = report(error)
}

function report(error: unknown): number {
  // Commander has said what is wrong with the arguments; code 0 is help or the version.
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage
  if (error instanceof CliError) {
    console.error(error.message)
    return exitCodes[error.reason]
  }
  console.error('Reef met an error that it did not expect. Please report it with these lines:')
  console.error(error)
  return exitCodes.failed
}
