import { createServer } from 'node:net'
import { expect, test } from 'vitest'
import { ConfigError, readConfig } from '../../config.ts'
import { describeStartFailure } from './start-failure.ts'

test('a port in use is named together with the option that changes it', async () => {
  const first = createServer().listen(0, '127.0.0.1')
  await new Promise((done) => first.once('listening', done))
  const { port } = first.address() as { port: number }
  const second = createServer().listen(port, '127.0.0.1')
  const error = await new Promise((done) => second.once('error', done))
  first.close()
  expect(describeStartFailure(error)).toBe(
    `Port ${port} is in use by another program. Stop it, or choose another port with --port and --proxy-port.`,
  )
})

test('a full disk is called one', () => {
  expect(describeStartFailure(Object.assign(new Error('write ENOSPC'), { code: 'ENOSPC' }))).toMatch(
    /^The disk is full\. Free some space/,
  )
})

test('a wrong setting is told as the configuration tells it', () => {
  let thrown: unknown
  try {
    readConfig({ REEF_PORTT: '1' })
  } catch (error) {
    thrown = error
  }
  expect(thrown).toBeInstanceOf(ConfigError)
  expect(describeStartFailure(thrown)).toContain('Did you mean REEF_PORT?')
})

test('a sentence of Reef’s own is passed on as it is', () => {
  expect(describeStartFailure(new Error('Another Reef already runs on /data.'))).toBe(
    'Another Reef already runs on /data.',
  )
})

test('a bug is not dressed up as a sentence, so that its stack is shown', () => {
  expect(describeStartFailure(new TypeError('x is not a function'))).toBeUndefined()
})
