const pauseMillisecondsMax = 2_000

/**
 * Repeats `work` while the database cannot be reached, for what must not be lost over its restart. Any other error, and
 * any at all once `wanted` is false, is thrown.
 */
export async function persistently<T>(work: () => Promise<T>, wanted: () => boolean): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await work()
    } catch (error) {
      if (!isOutage(error) || !wanted()) throw error
      await new Promise((done) => setTimeout(done, Math.min(pauseMillisecondsMax, 50 * 2 ** attempt)))
    }
  }
}

/** SQLSTATE classes of lost connections, shortage, shutdown and rollback; or no SQLSTATE, since no server answered. */
const outageClasses = ['08', '53', '57', '40']

function isOutage(error: unknown): boolean {
  // A mistake of ours does not go away by repeating it.
  if (error instanceof TypeError || error instanceof RangeError) return false
  const { code } = error as { code?: unknown }
  const sqlState = typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) ? code : undefined
  return sqlState === undefined || outageClasses.includes(sqlState.slice(0, 2))
}
