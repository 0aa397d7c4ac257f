/** What the exit code of every command means; docs/reference/cli.md lists the same. */
export const exitCodes = {
  ok: 0,
  failed: 1,
  usage: 2,
  notLoggedIn: 3,
  notFound: 4,
  unreachable: 5,
  interrupted: 130,
} as const

type ExitReason = Exclude<keyof typeof exitCodes, 'ok'>

/** The `error.code` that --json prints where the API gave none. */
export const jsonCodes: Record<ExitReason, string> = {
  failed: 'failed',
  usage: 'usage',
  notLoggedIn: 'not_logged_in',
  notFound: 'not_found',
  unreachable: 'unreachable',
  interrupted: 'interrupted',
}

/** An expected failure: its message is all that the person sees, so it says what to do next. */
export class CliError extends Error {
  override readonly name = 'CliError'
  readonly reason: ExitReason
  /** The API's error code, where the failure came from there; shown with --json. */
  readonly code: string | undefined
  /** Of the answer over HTTP; 0 where there was none. */
  readonly status: number

  constructor(
    reason: ExitReason,
    message: string,
    options: { code?: string; status?: number; cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause })
    this.reason = reason
    this.code = options.code
    this.status = options.status ?? 0
  }
}
