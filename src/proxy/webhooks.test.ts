import { expect, test } from 'vitest'
import { isWebhook } from './webhooks.ts'

test.each([
  '/slack/events',
  '/slack/events/support',
  '/telegram-webhook',
  '/googlechat?token=1',
  '/line/webhook',
  '/webhooks/sms',
  '/webhook/synology',
  '/api/messages',
  '/hooks/agent',
  '/hooks/wake',
  '/plugins/webhooks/releases',
])('%s is called by a service', (path) => {
  expect(isWebhook('POST', path)).toBe(true)
  expect(isWebhook('GET', path)).toBe(false)
})

test.each([
  '/',
  '/hooksx',
  '/slack',
  '/v1/chat/completions',
  '/hooks/../v1/models',
  '/hooks//agent',
  '/hooks/.',
  '/hooks/%2e%2e/v1',
  '/api/sessions',
  '/telegram-webhook;a=b',
  '/HOOKS/agent',
])('%s is not', (path) => expect(isWebhook('POST', path)).toBe(false))
