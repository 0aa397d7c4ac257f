#!/usr/bin/env node
// Plain JavaScript on purpose: this file must run on whatever Node the machine has. Reef itself needs Node 24, which
// the install put into node_modules, so on an older Node everything is handed over to that one.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** OpenClaw's own lower bound; Reef runs TypeScript directly, which needs Node 24 as well. */
const needed = [24, 16]

if (isNewEnough(process.versions.node)) await import('./main.ts')
else handOver()

function isNewEnough(version) {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  return major > needed[0] || (major === needed[0] && minor >= needed[1])
}

/** Node from the platform's package; undefined where there is none, for example on macOS. */
function findPackagedNode() {
  try {
    const name = `node-${process.platform}-${process.arch}`
    const manifest = createRequire(import.meta.url).resolve(`${name}/package.json`)
    const path = join(dirname(manifest), 'bin', 'node')
    return existsSync(path) ? path : undefined
  } catch {
    return undefined
  }
}

function handOver() {
  const node = findPackagedNode()
  if (!node) {
    console.error(
      `Reef needs Node ${needed.join('.')} or newer, and this is ${process.versions.node}. ` +
        'On Linux `npm ci` brings it along; elsewhere install it from https://nodejs.org.',
    )
    process.exit(1)
  }
  const main = fileURLToPath(new URL('./main.ts', import.meta.url))
  const child = spawn(node, [main, ...process.argv.slice(2)], {
    stdio: 'inherit',
    // Whatever Reef starts finds the same Node first.
    env: { ...process.env, PATH: `${dirname(node)}${delimiter}${process.env.PATH ?? ''}` },
  })
  // A terminal sends Ctrl-C to both; sending it on would count as the second one, which forces the end.
  process.on('SIGINT', () => {
    if (!process.stdin.isTTY) child.kill('SIGINT')
  })
  process.on('SIGTERM', () => child.kill('SIGTERM'))
  child.on('exit', (code, signal) => process.exit(signal ? 1 : (code ?? 1)))
}
