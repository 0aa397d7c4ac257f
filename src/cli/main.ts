import { CommanderError } from 'commander'
import { CliError, exitCodes, jsonCodes } from './failure.ts'
import { createProgram } from './program.ts'

// `reef logs | head` closes the pipe; that is its wish and no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  process.exit(exitCodes.ok)
})

try {
  await createProgram().parseAsync()
} catch (error) {
  process.exitCode = report(error)
}

function report(error: unknown): number {
  // Commander has said what is wrong with the arguments; code 0 is help or the version.
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage
  if (error instanceof CliError) {
    const asJson = process.argv.includes('--json')
    console.error(asJson ? JSON.stringify({ error: toJson(error) }) : error.message)
    return exitCodes[error.reason]
  }
  console.error('Reef met an error that it did not expect. Please report it with these lines:')
  console.error(error)
  return exitCodes.failed
}

/** The shape of the API's own errors, with codes for what never reached the API. */
function toJson(error: CliError): { code: string; message: string } {
  return { code: error.code ?? jsonCodes[error.reason], message: error.message }
}
