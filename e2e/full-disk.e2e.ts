import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Me } from '../test/support/client.ts'
import { requireComponent } from '../test/support/components.ts'
import { docker } from '../test/support/docker.ts'
import { eventually } from '../test/support/eventually.ts'
import { type DockerReef, startDockerReef, type Talk } from './support/docker-talk.ts'

const gibibyte = 1024 ** 3
const limitGibibytes = 1
/** What a fast disk takes in the seconds until the writer is found and ended. */
const overshootGibibytes = 8

/**
 * A volume of Docker has no size of its own. One agent fills its host's disk with a command that never ends; another
 * person's goes on talking. Needs the images: `npm run image`.
 */
describe.skipIf(!requireComponent('images'))('a disk that one instance fills', { timeout: 300_000 }, () => {
  let reef: DockerReef
  let ada: Talk
  let grace: Talk

  beforeAll(async () => {
    reef = await startDockerReef({ REEF_DOCKER_DISK_GIBIBYTES: String(limitGibibytes) })
    ada = await reef.join('ada@example.com')
    grace = await reef.join('grace@example.com')
  }, 300_000)
  afterAll(() => reef?.dispose(), 120_000)

  const adasInstance = async () => (await ada.person.call<Me>('GET', '/api/me')).instance
  const takenUp = async (): Promise<number> => {
    const volume = `${ada.machineName}:/volume:ro`
    const sums = await docker('run', '--rm', '--volume', volume, 'reef-base:local', 'du', '-s', '/volume')
    return Number(sums.split(/\s/)[0]) * 1024
  }

  it('ends that one alone, says why to its owner, and leaves the other answering', async () => {
    let filled = false
    const answers: string[] = []
    const talking = (async () => {
      while (!filled) answers.push(await grace.say('hello'))
    })()
    // It ends with its machine.
    void ada.say('Run the command `dd if=/dev/zero of=fill bs=1M`').catch(() => undefined)
    try {
      await eventually(async () => {
        const instance = await adasInstance()
        expect(instance).toMatchObject({ status: 'failed', reason: { code: 'disk_full' } })
      }, 120_000)
    } finally {
      filled = true
    }
    await talking
    const message = (await adasInstance())?.reason?.message
    expect(message).toContain('may use 1.0 GB')
    expect(message).toContain('workspace/fill')
    expect(message).toContain('Start it and have it remove what it does not need')
    await eventually(async () =>
      expect(await docker('inspect', '--format', '{{.State.Running}}', ada.machineName)).toBe('false'),
    )
    expect(await takenUp()).toBeLessThan((limitGibibytes + overshootGibibytes) * gibibyte)
    expect(answers.length).toBeGreaterThan(0)
    for (const answer of answers) expect(answer).toMatch(/\S/)
  })

  it('starts again when its owner says so, who then has removed what was too much', async () => {
    const before = await takenUp()
    const { id } = (await adasInstance()) as { id: string }
    await ada.person.call('POST', `/api/instances/${id}/start`)
    await ada.current()
    await ada.untilAnswered('Run the command `rm fill`')
    await eventually(async () => expect(await takenUp()).toBeLessThan(before / 2), 60_000)
    expect(await ada.untilAnswered('hello')).toMatch(/\S/)
  })
})
