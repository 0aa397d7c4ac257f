import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { countMemoryKills } from './memory-kills.ts'

const write = (text: string): string => {
  const path = join(mkdtempSync(join(tmpdir(), 'reef-kills-')), 'file')
  writeFileSync(path, text)
  return path
}

test('kills for want of memory are counted on either version of control groups', () => {
  const second = write('low 0\nhigh 0\nmax 12\noom 3\noom_kill 2\noom_group_kill 0\n')
  const first = write('oom_kill_disable 0\nunder_oom 0\noom_kill 5\n')
  expect(countMemoryKills([second, '/nowhere'])).toBe(2)
  expect(countMemoryKills(['/nowhere', first])).toBe(5)
})

test('where nobody counts there are none', () => {
  expect(countMemoryKills(['/nowhere', write('max 1\n')])).toBe(0)
})
