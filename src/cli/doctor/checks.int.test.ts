import { createServer as createHttpServer } from 'node:http'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, inject, test } from 'vitest'
import { checkNode, runChecks } from './checks.ts'

const servers: Server[] = []

afterEach(() => {
  for (const server of servers.splice(0)) server.close()
})

async function listen(server: Server): Promise<number> {
  servers.push(server)
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  return (server.address() as AddressInfo).port
}

/** Of the whole report, the check of one name. */
async function check(name: string, environment: Record<string, string>) {
  const directory = join(tmpdir(), 'reef-doctor-never-made')
  const checks = await runChecks({ REEF_DATA_DIR: directory, ...environment })
  return checks.find((each) => each.name === name)
}

test('Node is too old below the version that OpenClaw needs', () => {
  expect(checkNode('24.16.0').state).toBe('ok')
  expect(checkNode('26.1.0').state).toBe('ok')
  expect(checkNode('24.15.9').state).toBe('problem')
  expect(checkNode('20.20.2').detail).toContain('npm ci')
})

test('a misspelt setting is a problem with its remedy', async () => {
  expect(await check('configuration', { REEF_PROT: '1' })).toMatchObject({
    state: 'problem',
    detail: expect.stringContaining('REEF_PORT'),
  })
})

test('a database that does not answer is a problem, one that does is fine', async () => {
  const port = await listen(createServer((socket) => socket.destroy()))
  expect(await check('postgresql', { DATABASE_URL: `postgres://a:b@127.0.0.1:${port}/c` })).toMatchObject({
    state: 'problem',
  })
  expect(await check('postgresql', { DATABASE_URL: inject('adminUrl') })).toMatchObject({ state: 'ok' })
})

test('a port that another program holds is a problem only when the operator chose it', async () => {
  const port = await listen(createServer((socket) => socket.destroy()))
  expect(await check('port', { REEF_PORT: String(port) })).toMatchObject({
    state: 'problem',
    detail: expect.stringContaining('REEF_PORT'),
  })
})

test('a port that Reef itself holds is fine', async () => {
  const reef = createHttpServer((_request, response) => response.setHeader('x-request-id', '1').end('{}'))
  const port = await listen(reef)
  expect(await check('port', { REEF_PORT: String(port) })).toMatchObject({ state: 'ok' })
})

test('a data directory that cannot be made is a problem', async () => {
  expect(await check('directory', { REEF_DATA_DIR: '/dev/null/reef' })).toMatchObject({ state: 'problem' })
})
