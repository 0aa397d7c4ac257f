import { describe, expect, it } from 'vitest'
import { splitPath } from './path.ts'
import { routeRequest } from './routing.ts'

/** Each would be `..` (or a slash, or the end of the path) to some server or other. */
const traversals = [
  '/v1/../admin',
  '/v1/..',
  '/v1/./models',
  '/v1/.',
  '/v1/%2e%2e/admin',
  '/v1/%2E%2E/admin',
  '/v1/.%2e/admin',
  '/v1/%2e./admin',
  '/v1/%2e',
  '/v1/%2e%2e',
  '/v1/%252e%252e/admin',
  '/v1/%25252e%25252e/admin',
  '/v1/%2525252e%2525252e/admin',
  '/v1/%252525252e%252525252e/admin',
  '/v1/..%2fadmin',
  '/v1/..%2Fadmin',
  '/v1/%2e%2e%2fadmin',
  '/v1/%2e%2e%2Fadmin',
  '/v1/..%252fadmin',
  '/v1/%252e%252e%252fadmin',
  '/v1/..%5cadmin',
  '/v1/..%5Cadmin',
  '/v1/%2e%2e%5cadmin',
  '/v1/..%255cadmin',
  '/v1/..\\admin',
  '/v1/\\..\\admin',
  '/v1\\..\\admin',
  '/v1/..;/admin',
  '/v1/..;a=b/admin',
  '/v1/%2e%2e;/admin',
  '/v1/..%3b/admin',
  '/v1/..%3Ba=b/admin',
  '/v1/.;/admin',
  '/v1/..%00/admin',
  '/v1/..%00',
  '/v1/%00../admin',
  '/v1/..%0a/admin',
  '/v1/..%0d%0a/admin',
  '/v1/..%09/admin',
  '/v1/..%20/admin',
  '/v1/%20../admin',
  '/v1/%c0%ae%c0%ae/admin',
  '/v1/%c0%ae%c0%ae%c0%afadmin',
  '/v1/..%c0%afadmin',
  '/v1/..%c1%9cadmin',
  '/v1/%e0%80%ae%e0%80%ae/admin',
  '/v1/..%e0%80%afadmin',
  '/v1/%f0%80%80%ae%f0%80%80%ae/admin',
  '/v1/%u002e%u002e/admin',
  '/v1/..%u2215admin',
  '/v1/..%ef%bc%8fadmin',
  '/v1/%ef%bc%8e%ef%bc%8e/admin',
  '/v1/..%e2%88%95admin',
  '/v1/%e2%80%a4%e2%80%a4/admin',
  '//v1/../admin',
  '//evil.example/v1/models',
  '/v1/models#/../admin',
  '/v1/mo\u00e9dels/../admin',
  '/v1/models%2fadmin',
  '/v1/models%252fadmin',
  '/v1/a%2f..%2fadmin',
]

const names = { domain: 'localhost', own: new Set<string>() }
const session = '/api/sessions/0199c0de-0000-7000-8000-000000000000'

describe('paths', () => {
  it.each(traversals)('refuses %s, so that it can mean nothing else upstream', (path) => {
    expect(() => routeRequest(path, '127.0.0.1', names)).toThrow(/read in two ways/)
    const inSession = path.replace('/v1', session)
    expect(() => routeRequest(inSession, '127.0.0.1', names)).toThrow(/read in two ways/)
  })

  it('refuses them at an instance’s own address too, where an encoded slash alone is allowed', () => {
    for (const path of traversals.filter((path) => !/models%(25)?2fadmin/.test(path)))
      expect(() => routeRequest(path, 'ada.localhost', names), path).toThrow(/read in two ways/)
    expect(splitPath('/files/a%2Fb', false).path).toBe('/files/a%2Fb')
  })

  it('passes plain paths on byte for byte', () => {
    for (const path of [
      '/v1/models',
      '/v1/a%20b',
      '/v1/.well-known/x',
      '/v1/a..b',
      '/v1/%e4%bd%a0',
      '/v1/100%',
    ])
      expect(splitPath(path, true)).toEqual({ path, query: '' })
    expect(splitPath('/v1/x?file=../../a%2fb', true)).toEqual({ path: '/v1/x', query: '?file=../../a%2fb' })
  })
})

describe('hosts', () => {
  it('knows an instance’s address by exactly one label before the domain', () => {
    expect(routeRequest('/a?b', 'Ada-1.localhost:7301', names)).toEqual({
      kind: 'ui',
      slug: 'ada-1',
      host: 'ada-1.localhost:7301',
      path: '/a?b',
    })
    for (const host of [
      'a.b.localhost',
      'ada.localhost.',
      'ada.example.com',
      'example.com',
      '-a.localhost',
      'xlocalhost',
    ])
      expect(() => routeRequest('/', host, names), host).toThrow(/not served here/)
  })

  it('refuses a Host that is none', () => {
    for (const host of [
      undefined,
      '',
      'a b',
      'ada.localhost:x',
      'ada.localhost/',
      'user@ada.localhost',
      '[::1',
      '[zz]',
      'a,b',
      'a:1:2',
    ])
      expect(() => routeRequest('/', host, names), host).toThrow(/one Host header/)
  })

  it('takes its own names and every address for itself', () => {
    for (const host of ['127.0.0.1:7301', '[::1]:7301', 'localhost', '10.1.2.3', 'proxy.example.com'])
      expect(routeRequest('/healthz', host, { ...names, own: new Set(['proxy.example.com']) })).toEqual({
        kind: 'health',
      })
  })
})
