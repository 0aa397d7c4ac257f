import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { requireComponent } from '../../../test/support/components.ts'
import { openTestReef, type TestReef } from '../../../test/support/docker.ts'
import { newId } from '../../ids.ts'
import { openEngine } from './engine.ts'
import { parseHosts } from './host-address.ts'

const run = promisify(execFile)

/** A certificate authority, and what it has signed for the engine (`server`) and for its client (`cert`, `key`). */
async function makeCertificates(directory: string): Promise<void> {
  await mkdir(directory, { recursive: true })
  const openssl = (...argv: string[]) => run('openssl', argv, { cwd: directory })
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  await openssl(
    ...['req', '-x509', ...key, '-keyout', 'ca-key.pem', '-out', 'ca.pem', '-days', '2'],
    '-subj',
    '/CN=ca',
  )
  await writeFile(join(directory, 'names'), 'subjectAltName=IP:127.0.0.1')
  for (const [keyFile, certificate, subject] of [
    ['server-key.pem', 'server.pem', '/CN=engine'],
    ['key.pem', 'cert.pem', '/CN=reef'],
  ] as const) {
    await openssl('req', ...key, '-keyout', keyFile, '-out', 'request.pem', '-subj', subject)
    const signing = [
      '-CA',
      'ca.pem',
      '-CAkey',
      'ca-key.pem',
      '-CAcreateserial',
      '-days',
      '2',
      '-extfile',
      'names',
    ]
    await openssl('x509', '-req', '-in', 'request.pem', '-out', certificate, ...signing)
  }
}

/** This machine's engine as it is on another machine: over TCP, for those with a certificate only. */
async function exposeEngine(directory: string): Promise<Server> {
  const read = (name: string) => readFile(join(directory, name))
  const server = createServer(
    {
      key: await read('server-key.pem'),
      cert: await read('server.pem'),
      ca: await read('ca.pem'),
      requestCert: true,
      rejectUnauthorized: true,
    },
    (incoming, response) => {
      const { method, url: path, headers } = incoming
      const onward = request({ socketPath: '/var/run/docker.sock', method, path, headers }, (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers)
        answer.pipe(response)
      })
      onward.on('error', () => response.destroy())
      incoming.pipe(onward)
    },
  )
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  return server
}

describe.skipIf(!requireComponent('docker'))('an engine on the network', () => {
  let reef: TestReef
  let directory: string
  let server: Server
  let setting: string
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'reef-certs-'))
    await makeCertificates(join(directory, 'good'))
    await makeCertificates(join(directory, 'strange'))
    server = await exposeEngine(join(directory, 'good'))
    setting = `far=tcp://127.0.0.1:${(server.address() as AddressInfo).port}`
    reef = await openTestReef('10.214.3.0/24')
  })
  afterAll(async () => {
    await reef?.dispose()
    server?.close()
    await rm(directory, { recursive: true, force: true })
  })

  test('runs slots over TLS with a certificate of ours', async () => {
    const hosts = parseHosts(setting)
    const driver = reef.open({ hosts, certificatesDirectory: join(directory, 'good') })
    const handle = await driver.ensure(
      {
        slotId: newId(),
        specVersion: 'test-1',
        linkUrl: 'ws://127.0.0.1:1/link',
        bootstrapToken: null,
        limits: { memoryMebibytes: 256, cpus: 1, pids: 96 },
      },
      null,
    )
    expect(handle.host).toBe('far')
    expect((await driver.observe(handle)).phase).toBe('running')
    await driver.stop(handle, { graceSeconds: 5 })
    expect((await driver.observe(handle)).phase).toBe('exited')
    await driver.remove(handle)
    expect(await driver.list()).toEqual([])
  })

  test('takes a folder of the host’s name before the certificates that all hosts share', async () => {
    const shared = join(directory, 'shared')
    await mkdir(shared, { recursive: true })
    await run('cp', ['-r', join(directory, 'good'), join(shared, 'far')])
    const [host] = parseHosts(setting)
    if (!host) throw new Error('no host')
    expect((await openEngine(host, shared).docker.version()).Version).toMatch(/^\d+\./)
  })

  test('is neither believed nor does it serve with certificates of another authority', async () => {
    const hosts = parseHosts(setting)
    const driver = reef.open({ hosts, certificatesDirectory: join(directory, 'strange') })
    await expect(driver.list()).rejects.toMatchObject({ reason: 'unavailable', retryable: true })
    const [check] = await driver.preflight()
    expect(check?.ok).toBe(false)
  })

  test('without certificates the start says which to bring', () => {
    expect(() => reef.open({ hosts: parseHosts(setting) })).toThrow('REEF_DOCKER_CERTS')
    const nowhere = { hosts: parseHosts(setting), certificatesDirectory: '/nowhere' }
    expect(() => reef.open(nowhere)).toThrow('/nowhere/ca.pem')
  })
})
