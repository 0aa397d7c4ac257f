import { errorBodySchema } from '../errors.ts'

type ErrorStatus = 400 | 401 | 402 | 404 | 409 | 413 | 429 | 502 | 503

/** Declares the error answers of a route. */
export function errorResponses<const Status extends ErrorStatus>(
  ...statuses: Status[]
): Record<Status, typeof errorBodySchema> {
  // `fromEntries` forgets the keys that it was given.
  return Object.fromEntries(statuses.map((status) => [status, errorBodySchema])) as Record<
    Status,
    typeof errorBodySchema
  >
}
