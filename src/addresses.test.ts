import { expect, it } from 'vitest'
import { addressesOf } from './addresses.ts'
import { readConfig } from './config.ts'

const ports = { api: 7300, proxy: 7301 }
const of = (environment: Record<string, string>) => addressesOf(readConfig(environment), ports)

it('is where it listens, unless told otherwise', () => {
  expect(of({})).toEqual({
    public: 'http://127.0.0.1:7300',
    proxy: 'http://127.0.0.1:7301',
    internal: 'http://127.0.0.1:7300',
    dashboardOrigins: ['http://127.0.0.1:7300', 'http://localhost:7300'],
  })
})

it('is reached over the loopback address when it listens on all', () => {
  expect(of({ REEF_HOST: '0.0.0.0' }).internal).toBe('http://127.0.0.1:7300')
})

it('writes an IPv6 address as URLs need it', () => {
  expect(of({ REEF_HOST: 'fd00::1' }).public).toBe('http://[fd00::1]:7300')
})

it('lets only the public dashboard call the proxy, by its origin', () => {
  const addresses = of({ REEF_PUBLIC_URL: 'https://reef.example/app/', REEF_HOST: '10.0.0.5' })
  expect(addresses.public).toBe('https://reef.example/app')
  expect(addresses.dashboardOrigins).toEqual(['https://reef.example', 'http://10.0.0.5:7300'])
})
