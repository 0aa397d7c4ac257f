import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { benchmarksPage } from './benchmarks-page.ts'
import { cliPage } from './cli-page.ts'
import { configurationPage } from './configuration-page.ts'
import { findDeadLinks } from './dead-links.ts'
import { errorsPage } from './errors-page.ts'
import { openapiDocument } from './openapi.ts'

// Writes the generated files of the documentation; with --check only tells whether they are up to date.
// Dead links are told in either case.
const root = fileURLToPath(new URL('..', import.meta.url)).replace(/\/$/, '')
const pages = {
  'docs/reference/benchmarks.md': await benchmarksPage(root),
  'docs/reference/configuration.md': configurationPage(root),
  'docs/reference/errors.md': await errorsPage(root),
  'docs/reference/cli.md': cliPage(),
  'docs/reference/openapi.json': await openapiDocument(),
}
const check = process.argv.includes('--check')
for (const [path, text] of Object.entries(pages)) {
  const file = join(root, path)
  const present = await readFile(file, 'utf8').catch(() => '')
  if (present === text) continue
  if (check) {
    console.error(`${path} is out of date. Run: npm run docs`)
    process.exitCode = 1
  } else {
    await writeFile(file, text)
    console.log(`Wrote ${path}`)
  }
}
for (const link of await findDeadLinks(root)) {
  console.error(`A link leads nowhere: ${link}`)
  process.exitCode = 1
}
