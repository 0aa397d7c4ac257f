import { createHmac, generateKeyPairSync } from 'node:crypto'
import { EncryptJWT, exportJWK, SignJWT } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createTestAccounts, type TestAccounts, type TestPerson } from '../../../test/support/accounts.ts'
import { testSecret } from '../../../test/support/secret.ts'
import { newId } from '../../ids.ts'
import { openRootSecret } from '../../secrets.ts'

const key = testSecret.deriveKey('access token')

describe('access tokens', () => {
  let test: TestAccounts
  let person: TestPerson
  let claims: Record<string, unknown>
  beforeAll(async () => {
    test = await createTestAccounts()
    person = await test.person()
    claims = decode(person.accessToken, 1)
  })
  afterAll(() => test.close())

  const authenticate = (authorization: string | undefined, organizationId?: string) =>
    test.authenticator.authenticate({ authorization, organizationId })
  const refused = (token: string) =>
    expect(authenticate(`Bearer ${token}`)).rejects.toMatchObject({ kind: 'unauthenticated' })
  const forge = (change: {
    claims?: Record<string, unknown>
    header?: Record<string, unknown>
    key?: Uint8Array
  }) =>
    new SignJWT({ ...claims, ...change.claims })
      // The type of a header forbids what a forger puts there.
      .setProtectedHeader({ alg: 'HS256', typ: 'at+jwt', ...change.header } as { alg: string })
      .sign(change.key ?? key)

  it('makes a principal of the personal organization', async () => {
    expect(await authenticate(`Bearer ${person.accessToken}`)).toMatchObject({
      kind: 'person',
      userId: person.user.id,
      organizationId: person.organizationId,
      role: 'owner',
      familyId: claims.sid,
      apiKeyId: null,
    })
    // The forgeries below differ from this one by what each of them names.
    await authenticate(`Bearer ${await forge({})}`)
  })

  it('asks for a credential when there is none', async () => {
    for (const authorization of [undefined, '', 'Bearer', 'Bearer ', 'Basic YTpi', person.accessToken])
      await expect(authenticate(authorization)).rejects.toMatchObject({ code: 'credential_missing' })
  })

  it('refuses a token that says it needs no signature', async () => {
    for (const alg of ['none', 'None', 'NONE', '']) {
      const unsigned = `${encode({ alg, typ: 'at+jwt' })}.${encode(claims)}`
      await refused(`${unsigned}.`)
      await refused(unsigned)
      await refused(`${unsigned}.${person.accessToken.split('.')[2]}`)
    }
  })

  it('refuses every algorithm but its own, even with the right key', async () => {
    const wide = Buffer.concat([key, key])
    for (const alg of ['HS384', 'HS512']) {
      await refused(await forge({ header: { alg }, key: wide }))
      await refused(sign({ alg, typ: 'at+jwt' }, claims, key, alg === 'HS384' ? 'sha384' : 'sha512'))
    }
  })

  it('refuses keys that a forger chose: asymmetric, embedded, empty or of another purpose', async () => {
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
    const header = { alg: 'RS256', typ: 'at+jwt' }
    const jwk = await exportJWK(publicKey)
    await refused(await new SignJWT(claims).setProtectedHeader(header).sign(privateKey))
    await refused(await new SignJWT(claims).setProtectedHeader({ ...header, jwk }).sign(privateKey))
    const pem = Buffer.from(publicKey.export({ type: 'spki', format: 'pem' }))
    await refused(sign({ alg: 'HS256', typ: 'at+jwt' }, claims, pem))
    await refused(sign({ alg: 'HS256', typ: 'at+jwt' }, claims, Buffer.alloc(0)))
    await refused(sign({ alg: 'HS256', typ: 'at+jwt' }, claims, Buffer.alloc(32)))
    await refused(await forge({ key: testSecret.deriveKey('proxy token') }))
    await refused(await forge({ key: openRootSecret(Buffer.alloc(32, 8)).deriveKey('access token') }))
  })

  it('refuses a header that points at a key, though its signature be right', async () => {
    const headers = [
      { kid: '../../../../dev/null' },
      { kid: "x' union select 'key' --" },
      { kid: '1' },
      { jku: 'https://attacker.example/jwks.json' },
      { x5u: 'https://attacker.example/certificate' },
      { jwk: { kty: 'oct', k: 'AAAA' } },
      { crit: ['exp'] },
      { cty: 'JWT' },
    ]
    for (const header of headers) {
      const full = { alg: 'HS256', typ: 'at+jwt', ...header }
      await refused(sign(full, claims, key))
      await refused(sign(full, claims, Buffer.alloc(0)))
    }
  })

  it('refuses tokens of another type, issuer or audience, or without one', async () => {
    for (const typ of ['JWT', 'rt+jwt', undefined]) await refused(await forge({ header: { typ } }))
    for (const aud of ['other', ['other'], undefined]) await refused(await forge({ claims: { aud } }))
    for (const iss of ['other', undefined]) await refused(await forge({ claims: { iss } }))
  })

  it('refuses tokens without a subject, a log-in or an end', async () => {
    for (const name of ['sub', 'sid', 'exp', 'iat'])
      await refused(await forge({ claims: { [name]: undefined } }))
    for (const value of ['', 'x', 7, null, "' or true --"]) {
      await refused(await forge({ claims: { sub: value } }))
      await refused(await forge({ claims: { sid: value } }))
    }
    await refused(await forge({ claims: { exp: 'never' } }))
  })

  it('refuses a token of one person with another’s log-in', async () => {
    const other = await test.person()
    const { sub, sid } = decode(other.accessToken, 1)
    await refused(await forge({ claims: { sub } }))
    await refused(await forge({ claims: { sid } }))
    await refused(await forge({ claims: { sub: newId(), sid: newId() } }))
  })

  it('refuses a token in which any one character was changed', async () => {
    const token = person.accessToken
    for (let position = 0; position < token.length; position++) {
      const character = token[position]
      if (character === '.') continue
      const changed = `${token.slice(0, position)}${character === 'A' ? 'Q' : 'A'}${token.slice(position + 1)}`
      await refused(changed)
    }
  })

  it('refuses what only looks like a token', async () => {
    const encrypted = await new EncryptJWT(claims)
      .setProtectedHeader({ alg: 'dir', enc: 'A256GCM', typ: 'at+jwt' })
      .encrypt(key)
    for (const text of [
      encrypted,
      'a.b.c',
      '..',
      '.',
      'eyJhbGciOiJIUzI1NiJ9',
      `${person.accessToken}.`,
      'ä.ö.ü',
    ])
      await refused(text)
  })

  it('refuses a token after 60 minutes and says that it has expired', async () => {
    const late = await createTestAccounts()
    try {
      const { accessToken } = await late.person()
      const ask = () =>
        late.authenticator.authenticate({ authorization: `Bearer ${accessToken}`, organizationId: undefined })
      late.clock.advance(3599 * 1000)
      await ask()
      late.clock.advance(1000)
      await expect(ask()).rejects.toMatchObject({ code: 'access_token_expired' })
    } finally {
      await late.close()
    }
  })

  it('answers an organization of others, one that does not exist and no id at all alike', async () => {
    const other = await test.person()
    for (const id of [other.organizationId, newId(), 'x', "' or true --", ''])
      await expect(authenticate(`Bearer ${person.accessToken}`, id)).rejects.toMatchObject({
        kind: 'notFound',
      })
  })

  it('refuses the tokens of a person whose account is gone, within a second', async () => {
    const gone = await test.person()
    await authenticate(`Bearer ${gone.accessToken}`)
    await test.database.asSystem((trx) => trx.deleteFrom('users').where('id', '=', gone.user.id).execute())
    test.clock.advance(1000)
    await refused(gone.accessToken)
  })
})

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}

function decode(token: string, part: number): Record<string, unknown> {
  return JSON.parse(Buffer.from(token.split('.')[part] ?? '', 'base64url').toString())
}

/** Signs by hand what a library would refuse to. */
function sign(header: object, claims: object, secret: Buffer, hash = 'sha256'): string {
  const input = `${encode(header)}.${encode(claims)}`
  return `${input}.${createHmac(hash, secret).update(input).digest('base64url')}`
}
