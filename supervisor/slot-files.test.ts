import { mkdirSync, mkdtempSync, readdirSync, rmdirSync, statSync } from 'node:fs'
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

test('what a disk does not take is kept, said once, and written as soon as it can be', () => {
  const directory = newDirectory()
  const reports: string[] = []
  const files = openSlotFiles(directory, 'flat', (text) => reports.push(text))
  // Where each file is written before it takes its place.
  const inTheWay = ['supervisor.json', 'link-credential', 'openclaw.pid.json'].map((name) =>
    join(directory, `${name}.${process.pid}.tmp`),
  )
  for (const path of inTheWay) mkdirSync(path)
  const identity = { pid: 7, startTime: '1' }
  files.writeLinkCredential('a token')
  files.writeOpenClawProcess(identity)
  for (const heartbeatSequence of [1, 2, 3]) files.updateMemory({ heartbeatSequence, servedMs: 500 })
  expect(files.readMemory()).toMatchObject({ heartbeatSequence: 3, servedMs: 500 })
  expect(files.readLinkCredential()).toBe('a token')
  expect(files.readOpenClawProcess()).toEqual(identity)
  expect(reports).toEqual([expect.stringContaining('cannot be written')])
  expect(openSlotFiles(directory).readLinkCredential()).toBeNull()

  for (const path of inTheWay) rmdirSync(path)
  files.updateMemory({ heartbeatSequence: 4 })
  expect(reports).toEqual([expect.anything(), expect.stringContaining('written again')])
  const reopened = openSlotFiles(directory)
  expect(reopened.readMemory()).toMatchObject({ heartbeatSequence: 4, servedMs: 500 })
  expect(reopened.readLinkCredential()).toBe('a token')
  expect(reopened.readOpenClawProcess()).toEqual(identity)
  files.writeOpenClawProcess(null)
  expect(files.readOpenClawProcess()).toBeNull()
})
