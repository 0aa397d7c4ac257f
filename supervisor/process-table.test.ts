import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { expect, test } from 'vitest'
import { descendants, findByEnvironment, listProcesses, parseProcStat, parsePsLine } from './process-table.ts'

test('a command with spaces and parentheses does not shift the fields of /proc/PID/stat', () => {
  const stat =
    '42 (a (strange) name) S 7 42 42 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 1 0 987654 10000000 2048 18446744073709551615'
  expect(parseProcStat(42, stat)).toEqual({
    pid: 42,
    parentPid: 7,
    groupId: 42,
    zombie: false,
    startTime: '987654',
    residentBytes: 2048 * 4096,
    cpuSeconds: 3,
  })
})

test('a line of ps is read on systems without /proc', () => {
  expect(parsePsLine('  501     1   501 Ss     2048   1-02:03:04.50 Mon Nov 16 10:00:00 2026')).toMatchObject(
    {
      pid: 501,
      parentPid: 1,
      groupId: 501,
      zombie: false,
      residentBytes: 2048 * 1024,
      cpuSeconds: 86_400 + 2 * 3600 + 3 * 60 + 4.5,
      startTime: 'Mon Nov 16 10:00:00 2026',
    },
  )
  expect(parsePsLine('')).toBeUndefined()
})

test('descendants are found at any depth and nobody else', () => {
  const row = (pid: number, parentPid: number) => ({ ...parseProcStat(pid, `${pid} (x) S ${parentPid} 0`) })
  const rows = [row(1, 0), row(20, 10), row(10, 1), row(30, 20), row(40, 1)]
  expect(descendants(rows, 10).map((found) => found.pid)).toEqual([10, 20, 30])
})

test('a real child is listed under this process, with memory, and found by its environment', async () => {
  const marker = `marker-${process.pid}`
  const child = spawn(process.execPath, ['-e', 'console.log(1);setInterval(()=>{},1000)'], {
    env: { REEF_TEST_MARKER: marker },
  })
  await once(child.stdout, 'data')
  const found = descendants(await listProcesses(), process.pid).find((row) => row.pid === child.pid)
  expect(found?.residentBytes).toBeGreaterThan(10_000_000)
  if (process.platform === 'linux')
    expect(await findByEnvironment('REEF_TEST_MARKER', marker)).toEqual([child.pid])
  child.kill('SIGKILL')
  await once(child, 'exit')
})
