import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createTestAccounts, type TestAccounts, type TestPerson } from '../../../test/support/accounts.ts'
import { eventually, startControlPlane, type TestControlPlane } from '../../../test/support/control-plane.ts'
import { createOperators } from '../../domain/operators/operators.ts'
import { newId } from '../../ids.ts'
import { openLog } from '../../telemetry/log.ts'
import { createServer, type Server } from '../server.ts'
import { registerInstanceRoutes } from './instances.ts'
import { registerMeRoutes } from './me.ts'
import { registerSessionRoutes } from './sessions.ts'

describe('the routes of instances and sessions', () => {
  let accounts: TestAccounts
  let plane: TestControlPlane
  let app: Server

  beforeAll(async () => {
    accounts = await createTestAccounts()
    plane = await startControlPlane(accounts.database.loginUrl)
    const { authenticator } = accounts
    app = await createServer({ log: openLog('silent'), version: '0.0.0' })
    const lines = [{ at: '2026-03-01T00:00:00.000Z', source: 'openclaw' as const, text: 'hello' }]
    registerMeRoutes(app, {
      authenticator,
      accounts: accounts.accounts,
      instances: plane.service,
      operators: createOperators(accounts.database),
      emailVerification: { findPending: async () => null },
    })
    registerInstanceRoutes(app, { authenticator, instances: plane.service, logs: { tail: () => lines } })
    registerSessionRoutes(app, { authenticator, sessions: plane.sessions })
    await app.ready()
  })
  afterAll(async () => {
    await app.close()
    await plane.close()
    await accounts.close()
  })

  type Method = 'GET' | 'POST' | 'DELETE'
  const call = async (person: TestPerson, method: Method, url: string, body?: object) => {
    const answer = await app.inject({
      method,
      url,
      headers: person.headers,
      ...(body ? { payload: body } : {}),
    })
    return { status: answer.statusCode, text: answer.body, body: JSON.parse(answer.body) }
  }
  const until = (person: TestPerson, status: string) =>
    eventually(
      async () => (await call(person, 'GET', '/api/me')).body,
      (me) => me.status === status,
    )

  it('lead a person from nothing to a running instance and back', async () => {
    const ada = await accounts.person()
    const before = await call(ada, 'GET', '/api/me')
    expect(before.body).toMatchObject({
      user: { name: 'Ada Lovelace' },
      organization: { personal: true, role: 'owner' },
      status: 'stopped',
      instance: null,
    })
    expect((await call(ada, 'GET', '/api/status')).status).toBe(404)
    const provisioned = await call(ada, 'POST', '/api/provision', { name: 'My claw' })
    expect(provisioned).toMatchObject({ status: 202, body: { name: 'My claw', actions: expect.any(Array) } })
    const { instance } = await until(ada, 'running')
    const url = `/api/instances/${instance.id}`
    expect((await call(ada, 'POST', '/api/provision')).body.id).toBe(instance.id)
    expect((await call(ada, 'GET', '/api/instances')).body.instances).toHaveLength(1)
    expect((await call(ada, 'GET', `${url}/logs?tail=5`)).body.lines[0].text).toBe('hello')
    expect((await call(ada, 'GET', `${url}/samples`)).body).toEqual({ samples: [] })
    const launched = await call(ada, 'POST', '/api/sessions')
    expect(launched).toMatchObject({ status: 201, body: { session: { id: instance.sessionId } } })
    expect((await call(ada, 'GET', `/api/sessions/${instance.sessionId}`)).status).toBe(200)
    expect((await call(ada, 'POST', '/api/restart')).status).toBe(202)
    await until(ada, 'running')
    expect((await call(ada, 'POST', `${url}/stop`)).body.desiredState).toBe('stopped')
    await until(ada, 'stopped')
    expect((await call(ada, 'POST', `${url}/restart`)).body.error.code).toBe('action_not_possible')
    expect((await call(ada, 'POST', `${url}/start`)).status).toBe(202)
    expect((await call(ada, 'DELETE', '/api/deprovision')).status).toBe(202)
    expect((await call(ada, 'DELETE', '/api/deprovision')).status).toBe(404)
    expect((await call(ada, 'GET', '/api/me')).body).toMatchObject({ status: 'stopped', instance: null })
  })

  it('answer a stranger exactly as they answer for something that does not exist', async () => {
    const [ada, eve] = [await accounts.person(), await accounts.person('Eve')]
    const { body: instance } = await call(ada, 'POST', '/api/provision', {})
    const { body: launched } = await call(ada, 'POST', '/api/sessions')
    const routes: [Method, string, string][] = [
      ['GET', '/api/instances/ID', instance.id],
      ['POST', '/api/instances/ID/start', instance.id],
      ['POST', '/api/instances/ID/stop', instance.id],
      ['POST', '/api/instances/ID/restart', instance.id],
      ['DELETE', '/api/instances/ID', instance.id],
      ['GET', '/api/instances/ID/logs', instance.id],
      ['GET', '/api/instances/ID/samples', instance.id],
      ['GET', '/api/sessions/ID', launched.session.id],
    ]
    for (const [method, url, id] of routes) {
      const foreign = await call(eve, method, url.replace('ID', id))
      const missing = await call(eve, method, url.replace('ID', newId()))
      expect(foreign.status).toBe(404)
      expect(foreign.text).toBe(missing.text)
    }
    expect((await call(ada, 'GET', '/api/status')).body.desiredState).toBe('running')
  })

  it('let a key do no more than its scopes say', async () => {
    const ada = await accounts.person()
    const { authenticator } = accounts
    const reader: typeof authenticator = {
      authenticate: async (credential) => ({
        ...(await authenticator.authenticate(credential)),
        scopes: ['instances:read'],
      }),
    }
    const limited = await createServer({ log: openLog('silent'), version: '0.0.0' })
    registerInstanceRoutes(limited, {
      authenticator: reader,
      instances: plane.service,
      logs: { tail: () => [] },
    })
    registerSessionRoutes(limited, { authenticator: reader, sessions: plane.sessions })
    for (const url of ['/api/provision', '/api/sessions', '/api/restart'])
      expect((await limited.inject({ method: 'POST', url, headers: ada.headers })).statusCode).toBe(404)
    expect(
      (await limited.inject({ method: 'GET', url: '/api/instances', headers: ada.headers })).statusCode,
    ).toBe(200)
    await limited.close()
  })

  it('refuse what is not well formed', async () => {
    const ada = await accounts.person()
    expect(await call(ada, 'POST', '/api/provision', { name: '' })).toMatchObject({ status: 400 })
    expect(await call(ada, 'POST', '/api/provision', { nmae: 'x' })).toMatchObject({ status: 400 })
    expect(await call(ada, 'GET', '/api/instances/nonsense')).toMatchObject({ status: 400 })
    expect((await app.inject({ method: 'GET', url: '/api/me' })).statusCode).toBe(401)
  })
})
