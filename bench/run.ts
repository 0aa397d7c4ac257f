import { spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'

/** `npm run bench NAME [arguments]` takes one figure; without a name it lists them. */
const directory = new URL('./', import.meta.url)
const names = readdirSync(directory)
  .filter((file) => file.endsWith('.ts') && file !== 'run.ts')
  .map((file) => file.replace(/\.ts$/, ''))
  .sort()
const [name, ...rest] = process.argv.slice(2)

if (name === undefined || !names.includes(name)) {
  if (name !== undefined) console.error(`There is no figure ${name}.`)
  console.log(`Figures, each taken with npm run bench NAME:\n${names.map((each) => `  ${each}`).join('\n')}`)
  process.exitCode = name === undefined ? 0 : 1
} else {
  const child = spawn(process.execPath, [new URL(`./${name}.ts`, directory).pathname, ...rest], {
    stdio: 'inherit',
  })
  child.on('exit', (code) => {
    process.exitCode = code ?? 1
  })
}
