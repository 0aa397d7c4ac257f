import { newId } from '../ids.ts'
import { CliError } from './failure.ts'

/**
 * Asks for what must not be done twice. Without a clear answer it may have been done, and asking again under another key
 * would do it again, so the failure then names the key to go on with.
 */
export async function askOnce<T>(
  givenKey: string | undefined,
  ask: (idempotencyKey: string) => Promise<T>,
): Promise<T> {
  const idempotencyKey = givenKey ?? newId()
  try {
    return await ask(idempotencyKey)
  } catch (error) {
    const mayBeDone = error instanceof CliError && (error.reason === 'unreachable' || error.status >= 500)
    if (!mayBeDone) throw error
    throw new CliError(
      error.reason,
      `${error.message}\nIt may have been done. To ask again without doing it twice, add --idempotency-key ${idempotencyKey}`,
      { ...(error.code === undefined ? {} : { code: error.code }), status: error.status, cause: error },
    )
  }
}
