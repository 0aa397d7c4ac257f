import { expect, test } from 'vitest'
import { readConfig } from '../../config.ts'
import { createProgram } from '../program.ts'
import { environmentOf } from './command.ts'

test('an option overrides the environment and is checked like it', () => {
  const config = readConfig(
    environmentOf({ port: '8080', poolSize: '0' }, { REEF_PORT: '9', REEF_DRIVER: 'fake' }),
  )
  expect(config).toMatchObject({ REEF_PORT: 8080, POOL_SIZE: 0, REEF_DRIVER: 'fake' })
  expect(() => readConfig(environmentOf({ port: 'eighty' }, {}))).toThrow(/REEF_PORT/)
})

test('the client’s own settings in the environment do not keep Reef from starting', () => {
  expect(() => readConfig({ REEF_URL: 'http://127.0.0.1:7300', REEF_API_KEY: 'oc_x' })).not.toThrow()
})

test('every command explains itself and gives an example', () => {
  const program = createProgram()
  for (const command of program.commands) {
    let help = ''
    command.configureOutput({ writeOut: (text) => (help += text) })
    command.outputHelp()
    expect(command.description(), command.name()).not.toBe('')
    expect(help, command.name()).toContain('Example')
  }
})
