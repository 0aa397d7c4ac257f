import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { hasZodFastifySchemaValidationErrors, isResponseSerializationError } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { isDatabaseUnavailable } from '../db/unavailable.ts'
import { type ErrorKind, ReefError } from '../errors.ts'

/** The only place where kinds of error meet HTTP. */
export const statusOfKind: Record<ErrorKind, number> = {
  invalid: 400,
  unauthenticated: 401,
  paymentRequired: 402,
  notFound: 404,
  conflict: 409,
  tooLarge: 413,
  rateLimited: 429,
  internal: 500,
  upstream: 502,
  unavailable: 503,
}

/** The one shape of every error that Reef itself answers. */
export const errorBodySchema = z
  .object({
    error: z.object({
      code: z.string().describe('Stable; see docs/reference/errors.md.'),
      message: z.string().describe('What is wrong and what to do next.'),
      field: z.string().optional().describe('The offending field, as a dotted path.'),
    }),
  })
  .meta({ id: 'Error' })

export type ErrorBody = z.infer<typeof errorBodySchema>

export function errorBody(error: ReefError): ErrorBody {
  return {
    error: { code: error.code, message: error.message, ...(error.field ? { field: error.field } : {}) },
  }
}

/** Turns whatever was thrown into a ReefError; what nobody foresaw becomes `internal` and says nothing of itself. */
export function toReefError(error: unknown): ReefError {
  if (error instanceof ReefError) return error
  if (hasZodFastifySchemaValidationErrors(error)) {
    const first = error.validation[0]
    // An unknown field is reported on the object around it; the person wants to know which field.
    const unknownField = (first?.params as { keys?: string[] } | undefined)?.keys?.[0]
    const path = [...(first?.instancePath.split('/') ?? []), unknownField].filter((part) => part)
    const field = path.join('.')
    const where = (error as FastifyError & { validationContext?: string }).validationContext ?? 'body'
    return new ReefError('invalid', {
      code: 'invalid_input',
      message: `${field || `The ${where}`}: ${unknownField ? 'is not a field of this request' : (first?.message ?? 'is not valid')}`,
      ...(field ? { field } : {}),
    })
  }
  if (isResponseSerializationError(error))
    return new ReefError('internal', {
      code: 'internal',
      message: internalMessage,
      internal: 'response does not match its schema',
      cause: error,
    })
  if (isDatabaseUnavailable(error))
    return new ReefError('unavailable', {
      code: 'database_unavailable',
      message: 'The database does not answer at the moment. Try again in a few seconds.',
      retryAfterSeconds: 2,
      cause: error,
    })
  const fastify = error as FastifyError
  switch (fastify.code) {
    case 'FST_ERR_CTP_INVALID_JSON_BODY':
    case 'FST_ERR_CTP_EMPTY_JSON_BODY':
    case 'FST_ERR_CTP_INVALID_CONTENT_LENGTH':
      return new ReefError('invalid', {
        code: 'malformed_json',
        message: 'The body is not valid JSON. Send a JSON object.',
        cause: error,
      })
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return new ReefError('invalid', {
        code: 'unsupported_media_type',
        message: 'Send the body as application/json.',
        cause: error,
      })
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return new ReefError('tooLarge', {
        code: 'body_too_large',
        message: 'The body is larger than this route takes. Send less.',
        cause: error,
      })
  }
  if (fastify.statusCode !== undefined && fastify.statusCode >= 400 && fastify.statusCode < 500)
    return new ReefError('invalid', { code: 'bad_request', message: fastify.message, cause: error })
  return new ReefError('internal', { code: 'internal', message: internalMessage, cause: error })
}

const internalMessage =
  'Something went wrong inside Reef. Try again; if it stays, send the operator the request id from the x-request-id header.'

export function handleError(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
  const known = toReefError(error)
  const status = statusOfKind[known.kind]
  if (status >= 500) request.log.error({ err: error, internal: known.internal }, known.code)
  else request.log.debug({ code: known.code, internal: known.internal }, 'refused')
  if (known.retryAfterSeconds !== undefined) reply.header('retry-after', Math.ceil(known.retryAfterSeconds))
  reply.status(status).send(errorBody(known))
}
