import { type ChildProcess, spawn } from 'node:child_process'
import { afterEach, expect, test } from 'vitest'

const command = new URL('./command.ts', import.meta.url).href
const children: ChildProcess[] = []

afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
})

/** `reef up` around a Reef that takes `stopMilliseconds` to stop. */
function startUp(stopMilliseconds: number) {
  const script = `
    setInterval(() => {}, 1000) // As a listening server does, this holds the process.
    const { runUp } = await import(${JSON.stringify(command)})
    await runUp({}, {
      prepareDashboard: async () => {},
      startReef: async () => ({
        url: 'http://127.0.0.1:7300', proxyUrl: 'http://127.0.0.1:7301', notices: ['The demo model answers.'],
        stop: () => new Promise((done) => setTimeout(done, ${stopMilliseconds})),
      }),
    })`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { PATH: process.env.PATH },
  })
  children.push(child)
  let output = ''
  const exit = new Promise<number | null>((done) => child.on('exit', done))
  const until = (text: string) =>
    new Promise<void>((done, fail) => {
      const look = () => output.includes(text) && done()
      child.stdout.on('data', look)
      child.on('exit', () => fail(new Error(`ended before it printed ${text}:\n${output}`)))
      look()
    })
  child.stdout.on('data', (chunk) => {
    output += chunk
  })
  return { child, exit, until, output: () => output }
}

test('the URL stands on a line of its own, once', async () => {
  const up = startUp(0)
  await up.until('Ctrl-C')
  expect(up.output().match(/https?:\/\/\S+/g)).toEqual(['http://127.0.0.1:7300'])
  expect(
    up
      .output()
      .split('\n')
      .map((line) => line.trim()),
  ).toContain('http://127.0.0.1:7300')
})

test.each(['SIGINT', 'SIGTERM'] as const)('%s stops cleanly', async (signal) => {
  const up = startUp(50)
  await up.until('Ctrl-C')
  up.child.kill(signal)
  expect(await up.exit).toBe(0)
  expect(up.output()).toContain('Stopped')
})

test('one Ctrl-C that arrives twice, from the terminal and from npm, is one', async () => {
  const up = startUp(300)
  await up.until('Ctrl-C')
  up.child.kill('SIGINT')
  await up.until('Stopping')
  up.child.kill('SIGINT')
  expect(await up.exit).toBe(0)
})

test('a second Ctrl-C ends a stop that hangs', async () => {
  const up = startUp(1_000_000)
  await up.until('Ctrl-C')
  const again = setInterval(() => up.child.kill('SIGINT'), 200)
  expect(await up.exit).toBe(130)
  clearInterval(again)
})
