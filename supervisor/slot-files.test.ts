import { mkdtempSync, readdirSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { expect, test } from 'vitest'
import { openSlotFiles } from './slot-files.ts'

const newDirectory = (): string => mkdtempSync(join(tmpdir(), 'reef-slot-'))

test('on a shared disk everything of a slot lies in its directory', () => {
  const directory = newDirectory()
  const { paths } = openSlotFiles(directory)
  for (const path of Object.values(paths)) expect(relative(directory, path)).not.toMatch(/^\.\./)
})

test('in a container the slot is ~/.openclaw in four folders, and the home around it is not kept', () => {
  const home = newDirectory()
  const directory = join(home, '.openclaw')
  const files = openSlotFiles(directory, 'home')
  files.writeLinkCredential('a token')
  files.writeConfig({ gateway: {} })
  expect(readdirSync(directory).sort()).toEqual(['config', 'credentials', 'state', 'workspace'])
  expect(files.paths).toMatchObject({ home, config: join(directory, 'config/openclaw.json') })
  expect(readdirSync(join(directory, 'credentials')).sort()).toEqual(['link-credential', 'supervisor.json'])
  for (const name of readdirSync(directory)) expect(statSync(join(directory, name)).mode & 0o077).toBe(0)
  expect(openSlotFiles(directory, 'home').readLinkCredential()).toBe('a token')
})
