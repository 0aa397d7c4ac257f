import { expect, test } from 'vitest'
import { answerHeaders, targetHeaders } from './forward.ts'

const incoming = {
  host: 'ann.localhost:7301',
  'x-reef-proxy-token': 'secret',
  'x-reef-route': 'ui',
  'x-reef-user': 'mallory',
  'x-forwarded-user': 'mallory',
  'x-real-ip': '127.0.0.1',
  authorization: 'Bearer client',
  cookie: 'a=b',
  origin: 'http://ann.localhost:7301',
  connection: 'keep-alive',
  'content-type': 'application/json',
}

test("on the API the client's credentials are replaced by the internal one and nothing looks like a browser", () => {
  const headers = targetHeaders(incoming, { port: 1, identity: { kind: 'operator', password: 'internal' } })
  expect(headers).toEqual({
    host: '127.0.0.1:1',
    authorization: 'Bearer internal',
    'content-type': 'application/json',
  })
})

test('on the Control UI every visitor is the one that OpenClaw knows, and never comes from the loopback', () => {
  const headers = targetHeaders(incoming, { port: 1, identity: { kind: 'visitor' } })
  expect(headers).toMatchObject({
    'x-reef-user': 'owner',
    'x-forwarded-for': '100.64.0.1',
    'x-forwarded-proto': 'http',
    'x-forwarded-host': 'ann.localhost:7301',
    host: 'ann.localhost:7301',
    origin: 'http://control-ui.reef.internal',
  })
  expect(JSON.stringify(headers)).not.toMatch(/mallory|secret|x-real-ip/)
})

test('a messaging service’s call keeps its own credential and gets none of ours', () => {
  const headers = targetHeaders(
    {
      host: 'ada.example.com',
      authorization: 'Bearer of-the-hook',
      'x-openclaw-token': 'of-the-hook',
      'x-slack-signature': 'v0=1',
      'x-reef-user': 'ada@example.com',
      'x-reef-proxy-token': 'secret',
      'x-forwarded-for': '203.0.113.9',
      cookie: 'session=1',
      origin: 'https://evil.example',
    },
    { port: 1, identity: { kind: 'service' } },
  )
  expect(headers).toMatchObject({
    authorization: 'Bearer of-the-hook',
    'x-openclaw-token': 'of-the-hook',
    'x-slack-signature': 'v0=1',
    'x-forwarded-for': '203.0.113.9',
  })
  for (const name of ['x-reef-user', 'x-reef-proxy-token', 'cookie', 'origin'])
    expect(headers).not.toHaveProperty(name)
})

test('OpenClaw’s answers say nothing in the supervisor’s name', () => {
  expect(answerHeaders({ 'x-reef-refused': 'draining', connection: 'close', etag: 'a' })).toEqual({
    etag: 'a',
  })
})
