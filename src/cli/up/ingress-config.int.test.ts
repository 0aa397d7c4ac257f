import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { requireComponent } from '../../../test/support/components.ts'
import { freePort } from '../../../test/support/free-port.ts'
import { testSecret } from '../../../test/support/secret.ts'
import { addressesOf } from '../../addresses.ts'
import { readConfig } from '../../config.ts'
import { type IngressPlan, ingressPlan } from '../../ingress.ts'
import { findCaddy } from './caddy.ts'
import { startIngress } from './ingress.ts'
import { fillIn, writeIngressConfig } from './ingress-config.ts'

const caddyPath = requireComponent('caddy')
const ports = { api: 7300, proxy: 7301 }
let directory: string

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'reef-caddy-'))
})
afterAll(() => rm(directory, { recursive: true }))

function planOf(environment: Record<string, string>): IngressPlan {
  const config = readConfig({ REEF_INGRESS: 'caddy', REEF_DATA_DIR: directory, ...environment })
  return ingressPlan(config, addressesOf(config, ports), ports, testSecret) as IngressPlan
}

test('without an ingress there is nothing to plan', () => {
  const config = readConfig({})
  expect(ingressPlan(config, addressesOf(config, ports), ports, testSecret)).toBeUndefined()
})

test('behind the ingress everything is https, at the domain', () => {
  const urls = (environment: Record<string, string>) => {
    const {
      public: dashboard,
      proxy,
      internal,
      dashboardOrigins,
    } = addressesOf(readConfig({ REEF_INGRESS: 'caddy', ...environment }), ports)
    return { dashboard, proxy, internal, origin: dashboardOrigins[0] }
  }
  expect(urls({ REEF_DOMAIN: 'reef.example' })).toEqual({
    dashboard: 'https://reef.example',
    proxy: 'https://reef.example',
    internal: 'http://127.0.0.1:7300',
    origin: 'https://reef.example',
  })
  expect(urls({ REEF_INGRESS_HTTPS_PORT: '8443' }).proxy).toBe('https://localhost:8443')
  expect(urls({ REEF_DOMAIN: 'reef.example', REEF_PUBLIC_URL: 'https://app.reef.net' })).toMatchObject({
    dashboard: 'https://app.reef.net',
    proxy: 'https://reef.example',
  })
})

test('names of this machine stay on it, and only public names ask a public authority', () => {
  expect(planOf({})).toMatchObject({ host: '127.0.0.1', tls: { kind: 'internal' } })
  expect(planOf({ REEF_DOMAIN: 'reef.test' })).toMatchObject({ host: '', tls: { kind: 'internal' } })
  expect(planOf({ REEF_DOMAIN: 'reef.example' })).toMatchObject({ host: '', tls: { kind: 'acme' } })
  expect(planOf({ REEF_INGRESS_HOST: '10.0.0.1' }).host).toBe('10.0.0.1')
  expect(() => planOf({ REEF_INGRESS_TLS: '/none/c.pem:/none/k.pem' })).toThrow(
    /none\/c.pem, which does not exist/,
  )
})

describe.skipIf(!caddyPath)('Caddy', () => {
  test.each(['internal', 'acme', 'acme with an address', 'files'])(
    'takes the configuration for certificates of kind %s',
    async (kind) => {
      const certificate = join(directory, 'c.pem')
      const key = join(directory, 'k.pem')
      if (kind === 'files')
        await promisify(execFile)('openssl', [
          ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '1'],
          ...['-subj', '/CN=reef.example', '-keyout', key, '-out', certificate],
        ])
      const path = await writeIngressConfig(
        planOf({
          REEF_DOMAIN: 'reef.example',
          REEF_PUBLIC_URL: 'https://app.reef.net',
          REEF_INGRESS_TLS: kind === 'files' ? `${certificate}:${key}` : (kind.split(' ', 1)[0] as string),
          ...(kind.includes(' ') ? { REEF_ACME_EMAIL: 'operator@example.com' } : {}),
        }),
        7380,
      )
      // Rejects unless Caddy ends with 0.
      await promisify(execFile)(caddyPath as string, ['validate', '--config', path])
      // Nothing in it is anybody's but the operator's.
      const text = await readFile(path, 'utf8')
      expect(text).not.toContain('{$')
      expect(text).toContain('app.reef.net {')
    },
    30_000,
  )

  test('a port that is taken is told with the setting that changes it', async () => {
    const taken = createServer().listen(0, '127.0.0.1')
    await new Promise((done) => taken.once('listening', done))
    const { port } = taken.address() as { port: number }
    const starting = startIngress(
      { ...planOf({}), httpsPort: port, httpPort: await freePort() },
      { caddy: { path: caddyPath as string, version: '2' }, onNotice: () => undefined },
    )
    await expect(starting).rejects.toThrow(new RegExp(`port ${port} .*REEF_INGRESS_HTTPS_PORT`))
    await new Promise((done) => taken.close(done))
  })

  test('a configuration that Caddy refuses is told in Caddy’s own words', async () => {
    const broken = { ...planOf({}), httpPort: await freePort(), httpsPort: await freePort() }
    const starting = startIngress(
      { ...broken, tls: { kind: 'files', certificate: '/none.pem', key: '/none.pem' } },
      { caddy: { path: caddyPath as string, version: '2' }, onNotice: () => undefined },
    )
    await expect(starting).rejects.toThrow(/Caddy does not start\. It said/)
  })
})

test('a missing or an old Caddy is told with the remedy', async () => {
  await expect(findCaddy('/none')).rejects.toThrow(/not installed here.*apt-get install caddy/)
  const bin = await mkdtemp(join(directory, 'bin-'))
  await writeFile(join(bin, 'caddy'), '#!/bin/sh\necho v2.5.1\n', { mode: 0o755 })
  await expect(findCaddy(bin)).rejects.toThrow(/needs Caddy 2\.6 or newer/)
})

test('a variable that nobody gives is a mistake of ours, and is named', () => {
  expect(fillIn('{$A:1} {$B}', { A: 'x', B: 'y' })).toBe('x y')
  expect(() => fillIn('{$C:1}', {})).toThrow(/wants C/)
})
