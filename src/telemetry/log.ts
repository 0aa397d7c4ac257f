import { type Logger, pino } from 'pino'

export type { Logger }

/** Paths whose values never reach a log, whatever logs them. */
const redacted = [
  'req.headers.authorization',
  'req.headers.cookie',
  'headers.authorization',
  'headers.cookie',
  '*.password',
  '*.token',
  '*.apiKey',
  '*.secret',
  '*.accessToken',
  '*.refreshToken',
]

export function openLog(level: string, destination?: string): Logger {
  const options = { level, redact: { paths: redacted, censor: '[redacted]' }, base: null }
  return destination
    ? pino(options, pino.destination({ dest: destination, mkdir: true, sync: false }))
    : pino(options)
}
