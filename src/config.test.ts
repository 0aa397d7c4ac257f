import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { configSchema, readConfig } from './config.ts'

it('needs nothing', () => {
  expect(readConfig({})).toMatchObject({
    REEF_HOST: '127.0.0.1',
    REEF_DRIVER: 'process',
    POOL_SIZE: 1,
    LEASE_SECONDS: 900,
  })
})

it('refuses an unknown key of its own and guesses what was meant', () => {
  expect(() => readConfig({ REEF_PROT: '1' })).toThrow(
    'REEF_PROT is not a setting of Reef. Did you mean REEF_PORT?',
  )
})

it('leaves variables of others alone', () => {
  expect(() => readConfig({ PATH: '/bin', HOME: '/root' })).not.toThrow()
})

it('names every wrong key at once', () => {
  const read = () =>
    readConfig({ REEF_PORT: 'abc', DATABASE_URL: 'mysql://x', POOL_SIZE: '-1', REEF_SECRET: 'short' })
  expect(read).toThrow(/REEF_PORT/)
  expect(read).toThrow(/DATABASE_URL: is not a postgres:\/\/ URL/)
  expect(read).toThrow(/POOL_SIZE/)
  expect(read).toThrow(/REEF_SECRET: needs at least 32 characters/)
})

it('treats an empty variable as not set', () => {
  expect(readConfig({ REEF_PORT: '' }).REEF_PORT).toBeUndefined()
})

it('knows every setting in the example for compose, all of which reaches it', () => {
  const example = readFileSync(new URL('../deploy/docker/environment.example', import.meta.url), 'utf8')
  const names = [...example.matchAll(/^#?([A-Z][A-Z_]*)=/gm)].map(([, name]) => name as string)
  expect(names).toContain('REEF_SECRET')
  const ofReef = names.filter((name) => /^(REEF|STRIPE)_/.test(name))
  expect(ofReef.filter((name) => !(name in configSchema.shape))).toEqual([])
})
