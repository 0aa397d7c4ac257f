import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  sendRaw,
  startProxy,
  startUpstream,
  type TestProxy,
  type TestUpstream,
} from '../../test/support/proxy.ts'

let upstream: TestUpstream
let proxy: TestProxy

beforeAll(async () => {
  upstream = await startUpstream()
  proxy = await startProxy(upstream.url)
})
afterAll(async () => {
  await proxy.close()
  await upstream.close()
})

const inner = 'GET /v1/smuggled HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer good\r\n\r\n'
const post = (lines: string[], body: string, line = 'POST /v1/outer HTTP/1.1'): string =>
  [line, 'Host: 127.0.0.1', 'Authorization: Bearer good', ...lines, '', body].join('\r\n')
const get = (lines: string[], line = 'GET /v1/outer HTTP/1.1'): string => post(lines, '', line)
const innerLength = `Content-Length: ${inner.length}`

/**
 * What a request may lead to: `refused` reaches no instance and ends the connection; `one` is one request, whose body
 * is whatever was inside, after which the next is served, or the connection closed. Either way `/v1/smuggled` must never become a request of its own.
 */
const cases: [name: string, bytes: string, expected: 'refused' | 'one' | 'one, then closed'][] = [
  ['CL.TE', post([innerLength, 'Transfer-Encoding: chunked'], `0\r\n\r\n${inner}`), 'refused'],
  ['TE.CL', post(['Transfer-Encoding: chunked', innerLength], `0\r\n\r\n${inner}`), 'refused'],
  [
    'CL.TE, lower case',
    post(['content-length: 4', 'transfer-encoding: chunked'], `0\r\n\r\n${inner}`),
    'refused',
  ],
  ['CL 0 and TE', post(['Content-Length: 0', 'Transfer-Encoding: chunked'], `0\r\n\r\n${inner}`), 'refused'],
  ['two equal lengths', post(['Content-Length: 0', 'Content-Length: 0'], inner), 'refused'],
  ['two lengths', post(['Content-Length: 0', innerLength], inner), 'refused'],
  ['two lengths, the other way', post([innerLength, 'Content-Length: 0'], inner), 'refused'],
  ['a list of lengths', post([`Content-Length: 0, ${inner.length}`], inner), 'refused'],
  ['a list of equal lengths', post(['Content-Length: 0, 0'], inner), 'refused'],
  ['a signed length', post([`Content-Length: +${inner.length}`], inner), 'refused'],
  ['a negative length', post(['Content-Length: -1'], inner), 'refused'],
  ['a hexadecimal length', post(['Content-Length: 0x10'], inner), 'refused'],
  ['a length with a letter', post(['Content-Length: 1a'], inner), 'refused'],
  ['a length with a space in it', post(['Content-Length: 1 0'], inner), 'refused'],
  ['a length of 30 digits', post(['Content-Length: 999999999999999999999999999999'], inner), 'refused'],
  ['a length with a fraction', post(['Content-Length: 1.0'], inner), 'refused'],
  ['an empty length', post(['Content-Length:'], inner), 'refused'],
  ['space before the colon of a length', post(['Content-Length : 5'], inner), 'refused'],
  [
    'space before the colon of an encoding',
    post(['Transfer-Encoding : chunked'], `0\r\n\r\n${inner}`),
    'refused',
  ],
  ['tab before the colon', post(['Transfer-Encoding\t: chunked'], `0\r\n\r\n${inner}`), 'refused'],
  [
    'two encodings',
    post(['Transfer-Encoding: chunked', 'Transfer-Encoding: chunked'], `0\r\n\r\n${inner}`),
    'refused',
  ],
  [
    'two different encodings',
    post(['Transfer-Encoding: chunked', 'Transfer-Encoding: identity'], `0\r\n\r\n${inner}`),
    'refused',
  ],
  ['encoding identity', post(['Transfer-Encoding: identity'], inner), 'refused'],
  ['encoding gzip, chunked', post(['Transfer-Encoding: gzip, chunked'], `0\r\n\r\n${inner}`), 'refused'],
  [
    'encoding chunked, identity',
    post(['Transfer-Encoding: chunked, identity'], `0\r\n\r\n${inner}`),
    'refused',
  ],
  ['encoding xchunked', post(['Transfer-Encoding: xchunked'], `0\r\n\r\n${inner}`), 'refused'],
  ['encoding chunked;q=1', post(['Transfer-Encoding: chunked;q=1'], `0\r\n\r\n${inner}`), 'refused'],
  ['encoding "chunked"', post(['Transfer-Encoding: "chunked"'], `0\r\n\r\n${inner}`), 'refused'],
  ['an empty encoding', post(['Transfer-Encoding:'], `0\r\n\r\n${inner}`), 'refused'],
  ['encoding with a vertical tab', post(['Transfer-Encoding: \x0bchunked'], `0\r\n\r\n${inner}`), 'refused'],
  ['encoding with a null byte', post(['Transfer-Encoding: chunked\0'], `0\r\n\r\n${inner}`), 'refused'],
  ['encoding folded', post(['Transfer-Encoding:', ' chunked'], `0\r\n\r\n${inner}`), 'refused'],
  ['a folded header', post(['X-A: b', ' c', 'Content-Length: 0'], ''), 'refused'],
  ['a folded first header', 'GET /v1/outer HTTP/1.1\r\n Host: 127.0.0.1\r\n\r\n', 'refused'],
  ['bare LF after the request line', get([]).replace('HTTP/1.1\r\n', 'HTTP/1.1\n'), 'refused'],
  ['bare LF between headers', get(['X-A: b\nX-B: c']), 'refused'],
  [
    'bare LF before an encoding',
    post(['X-A: b\nTransfer-Encoding: chunked', 'Content-Length: 5'], `0\r\n\r\n${inner}`),
    'refused',
  ],
  [
    'bare LF at the end of the head',
    'GET /v1/outer HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer good\n\n',
    'refused',
  ],
  ['bare CR in a value', get(['X-A: b\rTransfer-Encoding: chunked']), 'refused'],
  ['a null byte in a value', get(['X-A: b\0c']), 'refused'],
  ['a null byte in a name', get(['X\0A: b']), 'refused'],
  ['a header without a colon', get(['NoColon']), 'refused'],
  ['a header without a name', get([': value']), 'refused'],
  ['a name with parentheses', get(['X(A): b']), 'refused'],
  ['a chunk size that is none', post(['Transfer-Encoding: chunked'], `zz\r\n\r\n${inner}`), 'refused'],
  ['a chunk size of 0x5', post(['Transfer-Encoding: chunked'], `0x5\r\nhello\r\n0\r\n\r\n`), 'refused'],
  ['a negative chunk size', post(['Transfer-Encoding: chunked'], `-1\r\n\r\n0\r\n\r\n`), 'refused'],
  [
    'a chunk size that overflows',
    post(['Transfer-Encoding: chunked'], `fffffffffffffffff\r\nhello\r\n0\r\n\r\n`),
    'refused',
  ],
  [
    'a chunk size with a leading space',
    post(['Transfer-Encoding: chunked'], ` 5\r\nhello\r\n0\r\n\r\n`),
    'refused',
  ],
  ['a chunk ended by bare LF', post(['Transfer-Encoding: chunked'], `5\nhello\n0\n\n`), 'refused'],
  [
    'a chunk longer than its size',
    post(['Transfer-Encoding: chunked'], `3\r\nhello\r\n0\r\n\r\n`),
    'refused',
  ],
  [
    'a chunk extension with bare LF',
    post(['Transfer-Encoding: chunked'], `5;a\nb\r\nhello\r\n0\r\n\r\n`),
    'refused',
  ],
  [
    'HTTP/1.0 with an encoding',
    post(['Transfer-Encoding: chunked'], `0\r\n\r\n${inner}`, 'POST /v1/outer HTTP/1.0'),
    'refused',
  ],
  ['HTTP/0.9', 'GET /v1/outer\r\n\r\n', 'refused'],
  ['HTTP/1.2', get([], 'GET /v1/outer HTTP/1.2'), 'refused'],
  ['HTTP/2.0', get([], 'GET /v1/outer HTTP/2.0'), 'refused'],
  ['an HTTP/2 preface', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'refused'],
  ['two spaces in the request line', get([], 'GET  /v1/outer HTTP/1.1'), 'one'],
  ['a tab in the request line', get([], 'GET\t/v1/outer HTTP/1.1'), 'refused'],
  ['a space in the target', get([], 'GET /v1/outer x HTTP/1.1'), 'refused'],
  ['a lower-case method', get([], 'get /v1/outer HTTP/1.1'), 'refused'],
  ['an unknown method', get([], 'SMUGGLE /v1/outer HTTP/1.1'), 'refused'],
  ['TRACE', get([], 'TRACE /v1/outer HTTP/1.1'), 'refused'],
  ['CONNECT', 'CONNECT 127.0.0.1:80 HTTP/1.1\r\nHost: 127.0.0.1:80\r\n\r\n', 'refused'],
  ['absolute form', get([], 'GET http://127.0.0.1/v1/outer HTTP/1.1'), 'refused'],
  ['absolute form of another host', get([], 'GET http://evil.example/v1/outer HTTP/1.1'), 'refused'],
  ['asterisk form', get([], 'OPTIONS * HTTP/1.1'), 'refused'],
  ['no Host', 'GET /v1/outer HTTP/1.1\r\nAuthorization: Bearer good\r\n\r\n', 'refused'],
  ['two Hosts', get(['Host: ada.localhost']), 'refused'],
  ['two equal Hosts', get(['Host: 127.0.0.1']), 'refused'],
  [
    'a Host with a user',
    'GET /v1/outer HTTP/1.1\r\nHost: a@127.0.0.1\r\nAuthorization: Bearer good\r\n\r\n',
    'refused',
  ],
  [
    'an unknown Host',
    'GET /v1/outer HTTP/1.1\r\nHost: evil.example\r\nAuthorization: Bearer good\r\n\r\n',
    'refused',
  ],
  ['two Authorizations', get(['Authorization: Bearer other']), 'refused'],
  ['a body with GET', post([innerLength], inner, 'GET /v1/outer HTTP/1.1'), 'refused'],
  [
    'a chunked body with GET',
    post(['Transfer-Encoding: chunked'], `0\r\n\r\n`, 'GET /v1/outer HTTP/1.1'),
    'refused',
  ],
  ['a body with HEAD', post([innerLength], inner, 'HEAD /v1/outer HTTP/1.1'), 'refused'],
  [
    'a WebSocket with a body',
    post(['Connection: Upgrade', 'Upgrade: websocket', innerLength], inner),
    'refused',
  ],
  [
    'a WebSocket with a chunked body',
    post(['Connection: Upgrade', 'Upgrade: websocket', 'Transfer-Encoding: chunked'], `0\r\n\r\n`),
    'refused',
  ],
  [
    'a WebSocket by GET with a body',
    post(
      [
        'Connection: Upgrade',
        'Upgrade: websocket',
        'Sec-WebSocket-Version: 13',
        'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==',
        innerLength,
      ],
      inner,
      'GET /v1/outer HTTP/1.1',
    ),
    'refused',
  ],
  ['headers of more than 32 KiB', get([`X-A: ${'a'.repeat(40_000)}`]), 'refused'],
  ['a request inside a body', post([innerLength], inner), 'one'],
  [
    'a request inside a chunk',
    post(['Transfer-Encoding: chunked'], `${inner.length.toString(16)}\r\n${inner}\r\n0\r\n\r\n`),
    'one',
  ],
  ['chunked in capitals', post(['TRANSFER-ENCODING: CHUNKED'], `5\r\nhello\r\n0\r\n\r\n`), 'one'],
  ['a chunk extension', post(['Transfer-Encoding: chunked'], `5;a=b\r\nhello\r\n0\r\n\r\n`), 'one'],
  [
    'trailers that name a length',
    post(['Transfer-Encoding: chunked', 'Trailer: X-A'], `5\r\nhello\r\n0\r\nContent-Length: 99\r\n\r\n`),
    'refused',
  ],
  [
    'Connection that names the length',
    post([innerLength, 'Connection: keep-alive, Content-Length'], inner),
    'one',
  ],
  [
    'Connection that names the encoding',
    post(
      ['Transfer-Encoding: chunked', 'Connection: keep-alive, Transfer-Encoding'],
      `5\r\nhello\r\n0\r\n\r\n`,
    ),
    'one',
  ],
  [
    'an upgrade to h2c with a body',
    post(
      [
        'Connection: Upgrade, HTTP2-Settings',
        'Upgrade: h2c',
        'HTTP2-Settings: AAMAAABkAAQAAP__',
        innerLength,
      ],
      inner,
    ),
    'one, then closed',
  ],
  ['Expect: 100-continue', post(['Expect: 100-continue', innerLength], inner), 'one'],
  [
    'an underscore in a name',
    post(['Content_Length: 99', 'Transfer_Encoding: chunked', innerLength], inner),
    'one',
  ],
  ['a length with leading zeros', post([`Content-Length: 000${inner.length}`], inner), 'one'],
]

describe('smuggling', () => {
  it(`covers at least 60 requests`, () => expect(cases.length).toBeGreaterThanOrEqual(60))

  it.each(cases)('%s: no second request comes out of it', async (_, bytes, expected) => {
    upstream.seen.length = 0
    // A request that follows on the same connection shows whether both ends agree on where the first one ended.
    const marker = get(['X-Marker: yes'], 'GET /v1/marker HTTP/1.1')
    const { text, closed } = await sendRaw(proxy.port, [bytes, marker], 60)
    const urls = upstream.seen.map((seen) => seen.url)
    expect(urls).not.toContain('/v1/smuggled')
    if (expected === 'one') {
      // Node hands pipelined requests out at once, so they may overtake each other; their answers do not.
      expect(urls.sort()).toEqual(['/v1/marker', '/v1/outer'])
      expect(text.match(/HTTP\/1.1 200 OK/g)?.length).toBe(2)
    } else if (expected === 'one, then closed') {
      expect([urls, closed]).toEqual([['/v1/outer'], true])
    } else {
      expect(urls.filter((url) => url !== '/v1/marker')).toEqual([])
      expect(text === '' || /^HTTP\/1.1 (400|404|405|408|421|426|431|501|505) /.test(text), text).toBe(true)
      // Either the connection ended, or the refusal answered that one request and the next one was served whole.
      if (!closed) expect(text.match(/HTTP\/1.1 \d{3}/g)?.length).toBe(1 + urls.length)
    }
  })

  it('keeps connections to instances in step after all of these', async () => {
    for (let index = 0; index < 20; index++) {
      upstream.onRequest = (request, response) => response.end(request.url)
      const path = `/v1/check-${index}`
      const response = await fetch(`${proxy.url}${path}`, { headers: { authorization: 'Bearer good' } })
      expect(await response.text()).toBe(path)
    }
  })

  it('does not let an instance’s answer spill into the next', async () => {
    upstream.onRequest = (request, response) => {
      if (request.url !== '/v1/odd') response.end(request.url)
      else
        request.socket.write(
          'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison',
        )
    }
    const headers = { authorization: 'Bearer good' }
    expect(await (await fetch(`${proxy.url}/v1/odd`, { headers })).text()).toBe('ok')
    for (let index = 0; index < 5; index++)
      expect(await (await fetch(`${proxy.url}/v1/${index}`, { headers })).text()).toBe(`/v1/${index}`)
  })
})
