import type { ErrorKind, ReefError } from '../errors.ts'
import { statusOfKind } from '../http/errors.ts'

/** Whose clients speak to a path: they understand errors in one provider's shape only. */
export type Surface = 'openai' | 'anthropic'

const openaiTypes: Partial<Record<ErrorKind, string>> = {
  invalid: 'invalid_request_error',
  conflict: 'invalid_request_error',
  unauthenticated: 'invalid_request_error',
  notFound: 'invalid_request_error',
  tooLarge: 'invalid_request_error',
  paymentRequired: 'insufficient_quota',
  rateLimited: 'rate_limit_error',
}

const anthropicTypes: Partial<Record<ErrorKind, string>> = {
  invalid: 'invalid_request_error',
  conflict: 'invalid_request_error',
  unauthenticated: 'authentication_error',
  notFound: 'not_found_error',
  tooLarge: 'request_too_large',
  paymentRequired: 'billing_error',
  rateLimited: 'rate_limit_error',
}

/** An error of Reef's own as the clients of that surface expect it. */
export function errorBodyOf(surface: Surface, error: ReefError): Record<string, unknown> {
  if (surface === 'anthropic') return anthropicError(anthropicTypes[error.kind] ?? 'api_error', error.message)
  return openaiError(openaiTypes[error.kind] ?? 'server_error', error.code, error.message, error.field)
}

/** For a status of a provider whose body cannot be shown. */
export function errorBodyOfStatus(surface: Surface, status: number, code: string, message: string) {
  const kind = (Object.keys(statusOfKind) as ErrorKind[]).find((name) => statusOfKind[name] === status)
  if (surface === 'anthropic') return anthropicError((kind && anthropicTypes[kind]) ?? 'api_error', message)
  return openaiError((kind && openaiTypes[kind]) ?? 'server_error', code, message)
}

/** The event that tells a client in mid-stream that no more will come, and why. */
export function errorEvent(
  protocol: 'chat_completions' | 'responses' | 'messages',
  code: string,
  message: string,
): string {
  switch (protocol) {
    case 'chat_completions':
      return `data: ${JSON.stringify(openaiError('server_error', code, message))}\n\n`
    case 'responses':
      return `event: error\ndata: ${JSON.stringify({ type: 'error', code, message, param: null })}\n\n`
    case 'messages':
      return `event: error\ndata: ${JSON.stringify(anthropicError('api_error', message))}\n\n`
  }
}

function openaiError(type: string, code: string, message: string, param?: string) {
  return { error: { message, type, param: param ?? null, code } }
}

function anthropicError(type: string, message: string) {
  return { type: 'error', error: { type, message } }
}
