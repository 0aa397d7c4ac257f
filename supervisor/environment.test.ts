import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { readEnvironment } from './environment.ts'

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'reef-environment-'))
})
afterEach(() => rmSync(directory, { recursive: true }))

const control = { slotId: 'from-file', linkUrl: 'ws://127.0.0.1:1/link', bootstrapToken: null, port: 4321 }
const writeControl = (value: object) => writeFileSync(join(directory, 'control.json'), JSON.stringify(value))

test('the file wins over variables and is read anew each time', () => {
  writeControl(control)
  const environment = readEnvironment({
    REEF_SLOT_DIR: directory,
    REEF_SLOT_ID: 'from-variables',
    REEF_LINK_URL: 'ws://127.0.0.1:9/link',
    REEF_SUPERVISOR_PORT: '5',
  })
  expect(environment.port).toBe(4321)
  expect(environment.readControl()).toMatchObject({ slotId: 'from-file', linkUrl: control.linkUrl })
  writeControl({ ...control, linkUrl: 'ws://127.0.0.1:2/link' })
  expect(environment.readControl().linkUrl).toBe('ws://127.0.0.1:2/link')
})

test('without a file the variables say everything', () => {
  const environment = readEnvironment({
    REEF_SLOT_DIR: directory,
    REEF_SLOT_ID: 'slot',
    REEF_LINK_URL: 'wss://reef.example/link',
    REEF_BOOTSTRAP_TOKEN: 'once',
    REEF_SUPERVISOR_HOST: '0.0.0.0',
    REEF_SUPERVISOR_PORT: '8080',
  })
  expect(environment).toMatchObject({ host: '0.0.0.0', port: 8080 })
  expect(environment.readControl()).toEqual({
    slotId: 'slot',
    linkUrl: 'wss://reef.example/link',
    bootstrapToken: 'once',
  })
})

test('OpenClaw gets named variables only', () => {
  const environment = readEnvironment({
    REEF_SLOT_DIR: directory,
    PATH: '/bin',
    DATABASE_URL: 'secret',
    REEF_BOOTSTRAP_TOKEN: 'secret',
    REEF_OPENCLAW_NODE_OPTIONS: '--max-old-space-size=512',
  })
  expect(environment.openclawVariables).toEqual({ PATH: '/bin', NODE_OPTIONS: '--max-old-space-size=512' })
})

test('what is missing or wrong is named', () => {
  expect(() => readEnvironment({})).toThrow(/REEF_SLOT_DIR/)
  expect(() => readEnvironment({ REEF_SLOT_DIR: directory, REEF_LINK_URL: 'http://x' })).toThrow(/ws:\/\//)
  expect(() => readEnvironment({ REEF_SLOT_DIR: directory }).readControl()).toThrow(/REEF_LINK_URL/)
})
