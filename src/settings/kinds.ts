import { z } from 'zod'
import { parseIdleTime } from '../domain/instances/idle-plans.ts'

/** Several, with commas between them; none by default. */
export function commaSeparated() {
  return z
    .string()
    .default('')
    .transform((text) =>
      text
        .split(',')
        .map((part) => part.trim())
        .filter((part) => part !== ''),
    )
}

/** Of TCP. */
export function port() {
  return z.coerce.number().int().min(1).max(65_535)
}

/** Seconds, or null for never; absent: as the plan says. */
export function idle(what: string) {
  return z
    .string()
    .refine((text) => parseIdleTime(text) !== undefined, 'is a time like 90s, 2m, 3h or 30d, or off')
    .transform((text) => parseIdleTime(text) ?? null)
    .optional()
    .describe(`${what}; a time like 90s, 2m, 3h, 30d, or off.`)
}

/** 0 or 1, as shells have it. */
export function flag(standard: '0' | '1') {
  return z
    .enum(['0', '1'], 'is 0 or 1')
    .default(standard)
    .transform((text) => text === '1')
}
