import { mkdir, mkdtemp, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { isDashboardStale } from './dashboard.ts'

let root: string
let web: string
let count = 0

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'reef-dashboard-'))
})
afterAll(() => rm(root, { recursive: true }))
beforeEach(() => {
  count += 1
  web = join(root, String(count))
})

async function put(path: string, changedAtSeconds: number): Promise<void> {
  const file = join(web, path)
  await mkdir(dirname(file), { recursive: true })
  await writeFile(file, '')
  await utimes(file, changedAtSeconds, changedAtSeconds)
  // Making the file touched its directory.
  await utimes(dirname(file), changedAtSeconds, changedAtSeconds)
}

test('a dashboard that was never built is built', async () => {
  await put('src/main.tsx', 100)
  expect(await isDashboardStale(web)).toBe(true)
})

test('a dashboard newer than all of its sources is left alone', async () => {
  await put('src/pages/chat.tsx', 100)
  await utimes(join(web, 'src'), 100, 100)
  await put('dist/index.html', 200)
  expect(await isDashboardStale(web)).toBe(false)
})

test('a change deep in the sources has it built again', async () => {
  await put('dist/index.html', 200)
  await put('src/pages/chat.tsx', 300)
  await utimes(join(web, 'src'), 100, 100)
  expect(await isDashboardStale(web)).toBe(true)
})
