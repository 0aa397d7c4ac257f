/** Classes and codes of PostgreSQL (appendix A of its manual) that mean "not now" and not "not so". */
const unavailableStates = /^(08...|57P0[1-4]|53300)$/
const socketErrors = new Set(['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ENOTFOUND', 'ETIMEDOUT'])
/** The driver's own errors for a connection that broke off or could not be had carry no code. */
const driverMessages =
  /^(Connection terminated|timeout exceeded when trying to connect|Client has encountered a connection error)/

/** Whether an error says that the database cannot be reached right now, as while it restarts. */
export function isDatabaseUnavailable(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  const { code } = error as { code?: unknown }
  if (typeof code === 'string') return unavailableStates.test(code) || socketErrors.has(code)
  return driverMessages.test(error.message)
}
