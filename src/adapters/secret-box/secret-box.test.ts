import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openRootSecret } from '../../secrets.ts'
import { localKey, readKeyFile, rootKey } from './local-key.ts'
import { createSecretBox } from './secret-box.ts'

const plaintext = Buffer.from('the value')
const keys = { old: localKey(randomBytes(32)), fresh: localKey(randomBytes(32)) }

test('what was sealed opens again, and its text shows nothing of it', async () => {
  const box = createSecretBox([keys.old])
  const sealed = await box.seal(plaintext, 'secret/1')
  expect(sealed).not.toContain(plaintext.toString('base64url'))
  expect(await box.open(sealed, 'secret/1')).toEqual(plaintext)
  expect(await box.seal(plaintext, 'secret/1')).not.toBe(sealed)
  expect(await box.open(await box.seal(Buffer.alloc(0), 'x'), 'x')).toHaveLength(0)
})

test('a sealed text opens for its own context only', async () => {
  const box = createSecretBox([keys.old])
  const sealed = await box.seal(plaintext, 'secret/1')
  await expect(box.open(sealed, 'secret/2')).rejects.toMatchObject({ reason: 'refused' })
  const other = createSecretBox([keys.fresh, keys.old])
  await expect(other.rewrap(sealed, 'secret/2')).rejects.toMatchObject({ reason: 'refused' })
})

test('no changed character of a sealed text goes unnoticed', async () => {
  const box = createSecretBox([keys.old])
  const sealed = await box.seal(plaintext, 'secret/1')
  for (let index = 0; index < sealed.length; index++) {
    const changed = sealed.slice(0, index) + (sealed[index] === 'B' ? 'C' : 'B') + sealed.slice(index + 1)
    await expect(box.open(changed, 'secret/1'), `character ${index}`).rejects.toThrow()
  }
})

test('one key’s wrapped data key does not open another text', async () => {
  const box = createSecretBox([keys.old])
  const [first, second] = [await box.seal(plaintext, 'a'), await box.seal(plaintext, 'a')].map((text) =>
    text.split('.'),
  ) as [string[], string[]]
  const mixed = [first[0], first[1], first[2], second[3]].join('.')
  await expect(box.open(mixed, 'a')).rejects.toMatchObject({ reason: 'refused' })
})

test('rotating the key-encryption key wraps anew and leaves the data as it is', async () => {
  const sealed = await createSecretBox([keys.old]).seal(plaintext, 'a')
  const rotating = createSecretBox([keys.fresh, keys.old])
  expect(await rotating.open(sealed, 'a')).toEqual(plaintext)
  const rewrapped = await rotating.rewrap(sealed, 'a')
  expect(rewrapped.split('.')[3]).toBe(sealed.split('.')[3])
  expect(rewrapped.split('.')[1]).toBe(keys.fresh.id)
  expect(await rotating.rewrap(rewrapped, 'a')).toBe(rewrapped)
  const after = createSecretBox([keys.fresh])
  expect(await after.open(rewrapped, 'a')).toEqual(plaintext)
  await expect(after.open(sealed, 'a')).rejects.toMatchObject({ reason: 'key_unknown' })
})

test('a text that Reef did not seal is refused as such', async () => {
  const box = createSecretBox([keys.old])
  for (const text of ['', 'reef1', 'reef2.a.b.c', 'reef1.a b.c.d', 'reef1.a.b.c.d'])
    await expect(box.open(text, 'a')).rejects.toMatchObject({ reason: 'malformed' })
})

test('the root secret gives the same key again, and another one another', () => {
  const secret = openRootSecret(Buffer.alloc(32, 1))
  expect(rootKey(secret).id).toBe(rootKey(secret).id)
  expect(rootKey(openRootSecret(Buffer.alloc(32, 2))).id).not.toBe(rootKey(secret).id)
})

test('the first line of a key file seals and the others still open', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'reef-keys-'))
  const path = join(directory, 'keys')
  try {
    const [older, newer] = [randomBytes(32), randomBytes(32)]
    await writeFile(path, `# made today\n${newer.toString('hex')}\n\n${older.toString('hex')}\n`)
    const [first, second] = await readKeyFile(path)
    expect(first?.id).toBe(localKey(newer).id)
    expect(second?.id).toBe(localKey(older).id)
    await writeFile(path, 'not a key')
    await expect(readKeyFile(path)).rejects.toThrow(/openssl rand -hex 32/)
    await expect(readKeyFile(join(directory, 'none'))).rejects.toThrow(/REEF_SECRETS_KEY_FILE.*ENOENT/)
  } finally {
    await rm(directory, { recursive: true })
  }
})
