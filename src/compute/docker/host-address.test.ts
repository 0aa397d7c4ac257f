import { expect, test } from 'vitest'
import { parseHosts } from './host-address.ts'

test('sockets, hosts on the network and where their gates are published are read', () => {
  expect(
    parseHosts(
      'local=unix:///var/run/docker.sock, b=tcp://10.0.0.5:2376,c=tcp://host-c?gate=203.0.113.7:9000',
    ),
  ).toEqual([
    { name: 'local', url: 'unix:///var/run/docker.sock', local: true, gate: null },
    { name: 'b', url: 'https://10.0.0.5:2376', local: false, gate: { address: '10.0.0.5', port: 7400 } },
    { name: 'c', url: 'https://host-c:2376', local: false, gate: { address: '203.0.113.7', port: 9000 } },
  ])
})

test('TLS can be left out on the loopback only', () => {
  expect(parseHosts('a=tcp://127.0.0.1:2375?tls=no')[0]).toMatchObject({
    url: 'http://127.0.0.1:2375',
    local: true,
  })
  expect(parseHosts('a=tcp://10.0.0.5:2375?tls=no')[0]?.url).toBe('https://10.0.0.5:2375')
})

test('a wrong setting says what is wrong with it', () => {
  expect(() => parseHosts('')).toThrow('names no host')
  expect(() => parseHosts('unix:///var/run/docker.sock')).toThrow('NAME=unix:///PATH')
  expect(() => parseHosts('Big Host=tcp://b:2376')).toThrow('NAME=')
  expect(() => parseHosts('a=unix:///x,a=unix:///y')).toThrow('names a twice')
})
