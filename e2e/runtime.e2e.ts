import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { signUp, type TestClient } from '../test/support/client.ts'
import { isLongRun } from '../test/support/long-run.ts'
import { type ReefProcess, readReefLog, startReefProcess } from '../test/support/reef-process.ts'

interface Credits {
  availableMicros: number
  reservedMicros: number
  spentMicros: number
  writtenOffMicros: number
}
interface PriceList {
  plans: Record<string, Record<string, number>>
}

const credit = 1_000_000
/** For a minute ahead and the end, twice: what was held when the control plane died stays so until it is accounted for. */
const trialCredits = 240
/** A credit for each second, so that a test need not wait for hours. */
const dearRuntime = { running: 3_600 * credit, suspended: 0, stored: 0 }

/** One person, one real OpenClaw, and a control plane that does not come back in time. */
// Without a long run: src/domain/credits/runtime.int.test.ts, and the lease in supervisor/supervisor.int.test.ts.
describe.skipIf(!isLongRun)('runtime', { timeout: 420_000 }, () => {
  let reef: ReefProcess
  afterEach(() => reef.close(), 120_000)

  const begin = async (trialCredits: number, change: (prices: PriceList) => void): Promise<TestClient> => {
    reef = await startReefProcess({ POOL_SIZE: '0', REEF_TRIAL_CREDITS: String(trialCredits) })
    // The first person is its operator.
    const person = await signUp(reef.url, reef.proxyUrl, 'ada@example.com')
    const { prices } = await person.call<{ prices: PriceList }>('GET', '/api/credits/prices')
    change(prices)
    await person.call('POST', '/api/admin/prices', { prices })
    return person
  }
  const slotDirectory = async () => {
    const [slot] = await readdir(join(reef.dataDirectory, 'slots'))
    return join(reef.dataDirectory, 'slots', slot as string)
  }
  const readSlotFile = async (name: string) =>
    JSON.parse(await readFile(join(await slotDirectory(), name), 'utf8'))
  const isAlive = (pid: number) => {
    try {
      process.kill(pid, 0)
      return true
    } catch {
      return false
    }
  }
  const until = async <T>(
    look: () => Promise<T>,
    isRight: (found: T) => boolean,
    secondsMax: number,
  ): Promise<T> => {
    const deadline = Date.now() + secondsMax * 1000
    for (;;) {
      const found = await look()
      if (isRight(found)) return found
      if (Date.now() > deadline)
        throw new Error(`still ${JSON.stringify(found)}; Reef's log ends:\n${await readReefLog(reef)}`)
      await new Promise((done) => setTimeout(done, 250))
    }
  }
  const creditsOf = (person: TestClient) => person.call<Credits>('GET', '/api/credits')

  it('an instance ends by itself while the control plane is gone, and every second of it is charged once', async () => {
    const person = await begin(trialCredits, ({ plans }) => {
      for (const plan of Object.keys(plans)) plans[plan] = dearRuntime
    })
    await person.provision()
    const { pid } = await readSlotFile('openclaw.pid.json')
    await until(
      () => creditsOf(person),
      ({ spentMicros }) => spentMicros > 0,
      60,
    )
    await reef.kill()
    expect(isAlive(pid)).toBe(true)
    const killedAt = Date.now()
    await until(
      async () => isAlive(pid),
      (alive) => !alive,
      120,
    )
    const seconds = (Date.now() - killedAt) / 1000
    expect(seconds).toBeLessThan(75)

    await reef.restart()
    // With what is left it begins again and tells what it served meanwhile, until its owner stops it.
    const { spentMicros } = await creditsOf(person)
    await until(
      () => creditsOf(person),
      (credits) => credits.spentMicros > spentMicros + seconds * credit * 0.9,
      120,
    )
    const { id, desiredState } = await person.untilInstance(({ status }) => status === 'running', 'running')
    expect(desiredState).toBe('running')
    await person.call('POST', `/api/instances/${id}/stop`)
    await person.untilInstance(({ status }) => status === 'stopped', 'stopped')
    const after = await until(
      () => creditsOf(person),
      ({ reservedMicros }) => reservedMicros === 0,
      30,
    )
    const { servedMs } = await readSlotFile('supervisor.json')
    // A thousand micro-credits for each millisecond. What a report is late by, when the instance begins, is its owner's.
    const uncharged = servedMs - after.spentMicros / 1_000
    expect(uncharged).toBeGreaterThanOrEqual(0)
    expect(uncharged).toBeLessThan(1_000)
    expect(after.writtenOffMicros).toBeLessThanOrEqual(credit)
    expect(after.availableMicros + after.spentMicros - after.writtenOffMicros).toBe(trialCredits * credit)
  })
})
