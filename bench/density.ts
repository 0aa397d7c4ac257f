import { type Instance, signUp, type TestClient } from '../test/support/client.ts'
import { measureFirstWord, startDockerReef, until } from './support/docker-reef.ts'
import { report } from './support/report.ts'
import { makeCompressedSwap, makeSwapFile, type Swap, swapProblem } from './support/swap.ts'

/**
 * What idle instances hold in RAM with the idle ladder, beside all of them resident, as they are without one. Counted
 * is what their containers hold and what their swapped memory takes. Needs Docker, the images (`npm run image`) and root,
 * since it makes compressed swap and then a swap file for itself.
 */
const count = Number(process.argv[2] ?? 4)
const turns = 3
/** Node gives back by itself what the last turns left, a while after them; nothing is let down the ladder sooner. */
const restSeconds = 60
/** What a frozen instance may still hold; awake it holds several times as much. */
const frozenBytesMax = 200 * 1024 ** 2

const mebibyte = 1024 ** 2
const gibibyte = 1024 ** 3
const swapBytes = 8 * gibibyte
const idleTimes = { REEF_IDLE_SUSPEND: `${restSeconds}s`, REEF_IDLE_FREEZE: `${restSeconds}s` }

const problem = await swapProblem()
if (problem) throw new Error(`The density of sleeping instances cannot be measured here: ${problem}.`)

const reef = await startDockerReef({ POOL_SIZE: '0' })
const people: { person: TestClient; instance: Instance }[] = []
const rows: (readonly (string | number)[])[] = []
const notes: string[] = []

/** RAM per instance, in bytes; adds the row. */
async function measure(label: string, swap?: Swap): Promise<number> {
  const { residentBytes } = await reef.memory()
  const swapRamBytes = (await swap?.ramBytes()) ?? 0
  const each = (residentBytes + swapRamBytes) / count
  rows.push([
    label,
    count,
    Math.round(residentBytes / count / mebibyte),
    Math.round(swapRamBytes / count / mebibyte),
    Math.round((gibibyte / each) * 10) / 10,
  ])
  return each
}

async function rest(): Promise<void> {
  await new Promise((done) => setTimeout(done, restSeconds * 1000))
}

async function untilFrozen(swap: Swap): Promise<void> {
  for (const { person, instance } of people)
    await until(`instance ${instance.slug} is frozen`, 300_000, async () => {
      const now = await person.call<Instance>('GET', '/api/status')
      return now.sleep?.rung === 'frozen'
    })
  // The rung says what should be; moving the memory takes a moment more.
  await until('the memory has left', 120_000, async () => {
    return (await reef.memory()).residentBytes < count * frozenBytesMax
  })
  let before = Number.POSITIVE_INFINITY
  await until('the memory has moved', 120_000, async () => {
    await new Promise((done) => setTimeout(done, 3_000))
    const now = (await reef.memory()).residentBytes + (await swap.ramBytes())
    const settled = Math.abs(before - now) < mebibyte * count
    before = now
    return settled
  })
}

try {
  for (let index = 0; index < count; index++) {
    const person = await signUp(reef.process.url, reef.process.proxyUrl, `person-${index}@example.com`)
    const instance = await person.provision()
    for (let turn = 0; turn < turns; turn++) await measureFirstWord(person)
    people.push({ person, instance })
  }
  await measure(`all resident, right after ${turns} turns each`)
  await rest()
  const resident = await measure('all resident, at rest')
  for (const make of [makeCompressedSwap, makeSwapFile]) {
    await reef.process.stop()
    const swap = await make(swapBytes)
    try {
      await reef.process.restart({ POOL_SIZE: '0', ...idleTimes })
      // What was taken away with the last swap is in RAM again, though it sleeps.
      for (const { person } of people) await measureFirstWord(person)
      await rest()
      await untilFrozen(swap)
      const frozen = await measure(`asleep, frozen ${swap.label}`, swap)
      for (const { person } of people) await measureFirstWord(person)
      await rest()
      await untilFrozen(swap)
      await measure(`asleep again after a turn each, ${swap.label}`, swap)
      notes.push(
        `Frozen ${swap.label}: ${(resident / frozen).toFixed(1)} times as many idle instances per GiB as at rest.`,
      )
    } finally {
      await swap.remove()
    }
  }
} finally {
  for (const { person } of people) await person.call('DELETE', '/api/deprovision').catch(() => undefined)
  await reef.close()
}

await report('density', {
  title: 'Density: RAM of idle instances with the idle ladder',
  columns: ['instances', 'count', 'resident each (MiB)', 'in swap’s RAM each (MiB)', 'per GiB of RAM'],
  rows,
  notes,
})
