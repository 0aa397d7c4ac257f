import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Backup, Restore } from '../../src/domain/backups/backup.ts'
import { signUp, type TestClient, textOf } from '../support/client.ts'
import { eventually } from '../support/eventually.ts'
import { isLongRun } from '../support/long-run.ts'
import { type ReefProcess, readReefLog, startReefProcess } from '../support/reef-process.ts'

/** A real OpenClaw boots several times, on a machine that may be busy. */
const patienceMilliseconds = 120_000

describe('with a real OpenClaw', { timeout: 300_000 }, () => {
  let reef: ReefProcess
  let ada: TestClient
  let conversationId: string

  beforeAll(async () => {
    reef = await startReefProcess({ POOL_SIZE: '0' })
    ada = await signUp(reef.url, reef.proxyUrl, 'ada@example.com')
  }, 240_000)
  afterAll(() => reef.close())

  const backups = async (): Promise<Backup[]> => {
    const { id } = await ada.untilInstance(() => true, 'there')
    return (await ada.call<{ backups: Backup[] }>('GET', `/api/instances/${id}/backups`)).backups
  }
  const complete = async (kind: Backup['kind']): Promise<Backup[]> =>
    (await backups()).filter((backup) => backup.kind === kind && backup.state === 'complete')
  const say = async (text: string): Promise<string> => {
    const { sessionId } = await ada.untilInstance(
      (instance) => instance.status === 'running' && instance.sessionId !== null,
      'running',
    )
    return textOf(await ada.say(sessionId as string, conversationId, text))
  }
  const slotDirectory = async (): Promise<string> => {
    const root = join(reef.dataDirectory, 'slots')
    const [name] = await readdir(root)
    return join(root, name as string)
  }

  it('saves a checkpoint after a turn by itself, and a full backup when asked', async () => {
    const { sessionId } = await ada.provision()
    const opened = await ada.call<{ id: string }>('POST', `/api/sessions/${sessionId}/conversations`, {})
    conversationId = opened.id
    await say('My name is Ada.')
    await eventually(async () => expect(await complete('checkpoint')).not.toEqual([]), patienceMilliseconds)
    const asked = await ada.call<Backup>('POST', '/api/backup')
    await eventually(async () => {
      const backup = await ada.call<Backup>('GET', `/api/backups/${asked.id}`)
      expect(backup).toMatchObject({ state: 'complete', kind: 'full', locations: ['local'] })
      expect(backup.conversationCount).toBe(1)
    }, patienceMilliseconds)
  })

  // Without a long run: the parts of it, in checkpoints.test.ts and freshness.int.test.ts.
  it.skipIf(!isLongRun)(
    'saves what changed without a turn when it is stopped, so that it outlives the disk',
    async () => {
      const { id } = await ada.untilInstance((instance) => instance.status === 'running', 'running')
      const directory = await slotDirectory()
      await writeFile(join(directory, 'workspace', 'plan.md'), 'Written without a turn.')
      await ada.call('POST', `/api/instances/${id}/stop`)
      await ada.untilInstance((instance) => instance.status === 'stopped', 'stopped')
      expect((await complete('checkpoint'))[0]).toMatchObject({ conversationCount: 1 })
      await rm(directory, { recursive: true })
      await ada.call('POST', `/api/instances/${id}/start`)
      await ada.untilInstance((instance) => instance.status === 'running', 'running')
      expect(await readFile(join(await slotDirectory(), 'workspace', 'plan.md'), 'utf8')).toBe(
        'Written without a turn.',
      )
    },
  )

  // Without a long run: the same on Docker, in e2e/upgrade.e2e.ts.
  it.skipIf(!isLongRun)(
    'goes on with the same conversation on another disk when the machine was destroyed in mid-conversation',
    async () => {
      const before = (await complete('checkpoint')).length
      await say('Remember that my boat is called Kittiwake.')
      await eventually(
        async () => expect((await complete('checkpoint'))[0]?.storedBytes ?? 0).toBeGreaterThan(0),
        patienceMilliseconds,
      )
      await eventually(
        async () => expect((await complete('checkpoint')).length).not.toBe(before),
        patienceMilliseconds,
      )
      await destroy(await slotDirectory())
      await eventually(async () => {
        const answer = await say('What is my name?')
        expect(answer).toContain('Ada')
      }, patienceMilliseconds)
      const { sessionId } = await ada.untilInstance((instance) => instance.sessionId !== null, 'running')
      const history = await ada.raw(
        'GET',
        `/api/sessions/${sessionId}/conversations/${conversationId}/messages`,
      )
      expect(await history.text()).toContain('Kittiwake')
    },
  )

  it('puts an earlier backup back, and what was there before it can be had again', async () => {
    const [full] = await complete('full')
    await say('Now forget everything: my name is Grace.')
    const asked = await ada.call<Restore>('POST', '/api/restore', { backupId: full?.id })
    const restore = await eventually(async () => {
      const found = await ada.call<Restore>('GET', `/api/restores/${asked.id}`)
      expect(found).toMatchObject({ state: 'succeeded' })
      return found
    }, patienceMilliseconds).catch(async (error) => {
      throw new Error(`${error}\n${await readReefLog(reef)}`)
    })
    expect(restore.safetyBackupId).not.toBeNull()
    await eventually(async () => expect(await say('What is my name?')).toContain('Ada'), patienceMilliseconds)
  })

  it('proves the newest backup by booting OpenClaw with it on a machine that is then removed', async () => {
    const { id } = await ada.untilInstance((instance) => instance.status === 'running', 'running')
    const [newest] = (await backups()).filter((backup) => backup.state === 'complete')
    await ada.call('POST', `/api/instances/${id}/backup-drills`)
    await eventually(async () => {
      const { drills } = await ada.call<{ drills: object[] }>('GET', `/api/instances/${id}/backup-drills`)
      expect(drills).toMatchObject([{ state: 'passed', backupId: newest?.id }])
    }, patienceMilliseconds)
    const verified = await ada.call<Backup>('GET', `/api/backups/${newest?.id}`)
    expect(verified.verifiedAt).not.toBeNull()
    await eventually(
      async () => expect(await readdir(join(reef.dataDirectory, 'slots'))).toHaveLength(1),
      patienceMilliseconds,
    )
  })
})

/** As a disk that is gone: the processes are killed and nothing of the slot is left. */
async function destroy(directory: string): Promise<void> {
  const pids = await Promise.all(
    ['supervisor.pid.json', 'openclaw.pid.json'].map(async (name) => {
      const { pid } = JSON.parse(await readFile(join(directory, name), 'utf8')) as { pid: number }
      return pid
    }),
  )
  for (const pid of pids) process.kill(pid, 'SIGKILL')
  await rm(directory, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 })
}
