import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'vitest'
import { startTestApp, type TestApp } from './app.ts'

const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))

export interface Run {
  code: number | null
  stdout: string
  stderr: string
}

/** Node in a process of its own, with nothing of the test's environment but the path. */
export async function runNode(
  argv: string[],
  { input = '', environment = {} }: { input?: string; environment?: Record<string, string> } = {},
): Promise<Run> {
  const child = spawn(process.execPath, argv, {
    env: { PATH: process.env.PATH, ...environment },
    stdio: 'pipe',
  })
  child.stdin.end(input)
  const output = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const)
    child[name].on('data', (chunk) => {
      output[name] += chunk
    })
  const code = await new Promise<number | null>((done) => child.on('close', done))
  return { code, ...output }
}

/** The command line as a person runs it. */
export function runReef(argv: string[], options?: Parameters<typeof runNode>[1]): Promise<Run> {
  return runNode([main, ...argv], options)
}

/** A Reef in the test's process, and the command line beside it as Ada runs it: she signed up first. */
export interface TestCommandLine {
  readonly app: TestApp
  /** Where the command line keeps who is logged in. */
  readonly home: string
  reef(argv: string[], input?: string): Promise<Run>
  end(): Promise<void>
}

export async function startTestCommandLine(
  options?: Parameters<typeof startTestApp>[0],
): Promise<TestCommandLine> {
  const app = await startTestApp(options)
  const home = await mkdtemp(join(tmpdir(), 'reef-cli-'))
  const environment = { XDG_CONFIG_HOME: home, REEF_URL: app.url }
  const reef: TestCommandLine['reef'] = (argv, input = '') => runReef(argv, { input, environment })
  const signUp = ['sign-up', '--name', 'Ada', '--email', 'ada@example.com', '--password-stdin']
  expect(await reef(signUp, 'correct horse battery\n')).toMatchObject({ code: 0 })
  return {
    app,
    home,
    reef,
    end: async () => {
      await app.end()
      await rm(home, { recursive: true })
    },
  }
}
