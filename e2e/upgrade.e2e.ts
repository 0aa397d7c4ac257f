import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Backup, Restore } from '../src/domain/backups/backup.ts'
import { requireComponent } from '../test/support/components.ts'
import { buildImage, docker, dockerOrNot } from '../test/support/docker.ts'
import { eventually } from '../test/support/eventually.ts'
import { type DockerReef, startDockerReef, type Talk } from './support/docker-talk.ts'

/** Boots take 20 s on a machine that does nothing else, and several times that beside others. */
const bootMilliseconds = 170_000
const newer = 'reef-test-newer:local'
const broken = 'reef-test-broken:local'

/**
 * One conversation with a real OpenClaw in a real container, through an upgrade that fails, one that succeeds, and the
 * loss of the machine with its disk. The steps build on each other. Needs the images: `npm run image`.
 */
describe.skipIf(!requireComponent('images'))(
  'a conversation on Docker outlives its machine',
  { timeout: 300_000 },
  () => {
    let reef: DockerReef
    let ada: Talk
    let url: string
    let imageIds: { first: string; newer: string; broken: string }

    beforeAll(async () => {
      imageIds = {
        first: await docker('image', 'inspect', '--format', '{{.Id}}', 'reef-instance:local'),
        newer: await buildImage(newer, 'FROM reef-instance:local\nLABEL reef.test.newer=1\n'),
        broken: await buildImage(broken, 'FROM reef-instance:local\nCMD ["sleep", "infinity"]\n'),
      }
      reef = await startDockerReef()
      ada = await reef.join('ada@example.com')
      await ada.say('My name is Ada.')
      url = (await ada.current()).url
      await docker('exec', ada.machineName, 'touch', marker)
    }, 300_000)
    afterAll(async () => {
      await reef?.dispose()
      for (const name of [newer, broken]) await dockerOrNot('image', 'rm', name)
    }, 120_000)

    const imageOfMachine = () => dockerOrNot('inspect', '--format', '{{.Image}}', ada.machineName)
    /** Lies on the volume beside what backups hold, so that no restore brings it back. */
    const marker = '/home/agent/.openclaw/marker'
    const isOnFirstVolume = async () =>
      (await dockerOrNot('exec', ada.machineName, 'ls', marker)) !== undefined
    const restartWith = async (environment: Record<string, string>) => {
      await reef.stop()
      await reef.restart(environment)
    }
    const upgrade = async () => {
      const { id } = await ada.current()
      await ada.person.call('POST', `/api/instances/${id}/upgrade`)
    }
    const upgraded = async (outcome: string) => {
      const seen = await eventually(async () => {
        const now = await ada.current()
        expect(now.upgrade?.outcome).toBe(outcome)
        return now
      }, bootMilliseconds)
      return seen
    }

    it('to software that never answers it goes back by itself, and says why', async () => {
      await restartWith({ REEF_DOCKER_IMAGE: broken, REEF_UPGRADE_PATIENCE_SECONDS: '15' })
      expect(await imageOfMachine()).toBe(imageIds.first)
      await upgrade()
      await eventually(async () => expect(await imageOfMachine()).toBe(imageIds.broken), 60_000)
      const after = await upgraded('rolled_back')
      expect(after.upgrade?.message).toBe('OpenClaw did not become ready within 15 seconds.')
      expect(after.url).toBe(url)
      expect([await imageOfMachine(), await isOnFirstVolume()]).toEqual([imageIds.first, true])
      expect(await ada.untilAnswered('What is my name?')).toContain('Ada')
      expect(await ada.history()).toContain('My name is Ada.')
    })

    it('to newer software it goes on with the same data at the same address', async () => {
      await restartWith({ REEF_DOCKER_IMAGE: newer })
      await upgrade()
      const after = await upgraded('succeeded')
      expect(after).toMatchObject({ url, upgrade: { message: null } })
      expect([await imageOfMachine(), await isOnFirstVolume()]).toEqual([imageIds.newer, true])
      expect(await ada.untilAnswered('What is my name?')).toContain('Ada')
      expect(await ada.history()).toContain('My name is Ada.')
      const { backups } = await ada.person.call<{ backups: Backup[] }>('GET', '/api/backups')
      expect(backups.filter((backup) => backup.reason === 'before_upgrade')).toHaveLength(2)
    })

    it('on another volume it goes on from the last turn when container and volume are destroyed', async () => {
      await ada.say('Remember that my boat is called Kittiwake.')
      const saidAt = new Date().toISOString()
      await eventually(async () => {
        const { backups } = await ada.person.call<{ backups: Backup[] }>('GET', '/api/backups')
        const saved = backups.filter((backup) => backup.kind === 'checkpoint')
        expect(saved.some((backup) => backup.requestedAt > saidAt)).toBe(true)
      }, 60_000)
      await ada.startLongAnswer()
      await docker('rm', '--force', ada.machineName)
      await docker('volume', 'rm', '--force', ada.machineName)
      expect(await ada.untilAnswered('What is my name?')).toContain('Ada')
      expect(await ada.history()).toContain('Kittiwake')
      expect((await ada.current()).url).toBe(url)
      expect(await isOnFirstVolume()).toBe(false)
      const { id } = await ada.current()
      const { restores } = await ada.person.call<{ restores: Restore[] }>(
        'GET',
        `/api/instances/${id}/restores`,
      )
      expect(restores).toMatchObject([{ kind: 'first', state: 'succeeded' }])
    })
  },
)
