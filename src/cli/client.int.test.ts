import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { runNode } from '../../test/support/command-line.ts'
import { meSchema } from '../http/schemas/instances.ts'
import { createClient } from './client.ts'
import { openCredentialStore } from './credentials.ts'

/** A log-in that behaves as Reef's: each refresh token is good once, and using one again ends the log-in. */
const issuer = { current: 'refresh-0', refreshes: 0, reused: false, reset: () => {} }
issuer.reset = () => Object.assign(issuer, { current: 'refresh-0', refreshes: 0, reused: false })

const server = createServer((request, response) => {
  let body = ''
  request.on('data', (chunk) => {
    body += chunk
  })
  request.on('end', () => {
    const answer = (status: number, value: unknown) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value))
    if (request.url !== '/api/auth/refresh')
      return answer(404, { error: { code: 'not_found', message: 'There is nothing here.' } })
    if (issuer.reused || JSON.parse(body).refreshToken !== issuer.current) {
      issuer.reused = true
      return answer(401, { error: { code: 'refresh_token_invalid', message: 'Log in again.' } })
    }
    issuer.refreshes += 1
    issuer.current = `refresh-${issuer.refreshes}`
    // Slow enough for others to come in between, if they could.
    setTimeout(() => {
      answer(200, {
        accessToken: `access-${issuer.refreshes}`,
        expiresInSeconds: 3600,
        refreshToken: issuer.current,
        user: { id: '0199c0de-0000-7000-8000-000000000000', email: 'ada@example.com', name: 'Ada' },
      })
    }, 100)
  })
})

let url: string
let home: string

beforeAll(async () => {
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterAll(() => server.close())

beforeEach(async () => {
  issuer.reset()
  home = await mkdtemp(join(tmpdir(), 'reef-cli-'))
  return () => rm(home, { recursive: true })
})

async function logInWithExpiredAccess() {
  const store = openCredentialStore({ XDG_CONFIG_HOME: home })
  await store.update(async () => ({
    url,
    email: 'ada@example.com',
    refreshToken: 'refresh-0',
    accessToken: 'access-0',
    accessTokenExpiresAt: new Date(0).toISOString(),
  }))
  return store
}

test('commands that run at once refresh once, and none of them spends a token twice', async () => {
  const store = await logInWithExpiredAccess()
  const script = `
    const { createClient } = await import(${JSON.stringify(new URL('./client.ts', import.meta.url).href)})
    const { openCredentialStore } = await import(${JSON.stringify(new URL('./credentials.ts', import.meta.url).href)})
    const client = createClient({ url: ${JSON.stringify(url)}, store: openCredentialStore() })
    console.log(await client.bearer())`
  const runs = await Promise.all(
    Array.from({ length: 4 }, () =>
      runNode(['--input-type=module', '-e', script], { environment: { XDG_CONFIG_HOME: home } }),
    ),
  )
  const right = { code: 0, stdout: 'access-1\n', stderr: '' }
  expect(runs).toEqual([right, right, right, right])
  expect(issuer).toMatchObject({ refreshes: 1, reused: false })
  expect(await store.find()).toMatchObject({ refreshToken: 'refresh-1' })
})

test('nobody but the owner can read the stored log-in', async () => {
  const store = await logInWithExpiredAccess()
  expect((await stat(store.path)).mode & 0o777).toBe(0o600)
})

test('a log-in that has ended is forgotten, with the way back', async () => {
  const store = await logInWithExpiredAccess()
  issuer.reused = true
  await expect(createClient({ url, store }).bearer()).rejects.toMatchObject({
    reason: 'notLoggedIn',
    message: 'Your log-in has ended. Log in again: reef login',
  })
  expect(await store.find()).toBeUndefined()
})

test('a Reef that does not answer keeps the log-in', async () => {
  const store = await logInWithExpiredAccess()
  const before = await readFile(store.path, 'utf8')
  const silent = before.replaceAll(url, 'http://127.0.0.1:1')
  await store.update(async () => JSON.parse(silent))
  await expect(createClient({ url: 'http://127.0.0.1:1', store }).bearer()).rejects.toMatchObject({
    reason: 'unreachable',
  })
  expect(await readFile(store.path, 'utf8')).toBe(silent)
})

test('an API error keeps its code, and tells the holder of a key of its scopes', async () => {
  const client = createClient({ url, apiKey: 'oc_x', store: openCredentialStore({ XDG_CONFIG_HOME: home }) })
  await expect(client.call('/api/me', { answer: meSchema })).rejects.toMatchObject({
    reason: 'notFound',
    code: 'not_found',
    message: 'There is nothing here. Or the API key lacks a scope; see: reef keys list',
  })
})
