import { readdir, readFile } from 'node:fs/promises'
import { type Instance, signUp, type TestClient } from '../test/support/client.ts'
import { measureFirstWord, startDockerReef, until } from './support/docker-reef.ts'
import { report } from './support/report.ts'
import { summarize } from './support/statistics.ts'

/**
 * What idle instances hold in RAM with the idle ladder, beside all of them resident, as they are without one. Counted
 * is what their containers hold and, where their memory is compressed, what that takes. Needs Docker, the images
 * (`npm run image`) and compressed swap; with a disk behind it the last rung is measured too.
 */
const count = Number(process.argv[2] ?? 4)
const turns = 3

const mebibyte = 1024 ** 2
const gibibyte = 1024 ** 3

const reef = await startDockerReef({ POOL_SIZE: '0' })
const people: { person: TestClient; instance: Instance }[] = []
const rows: (readonly (string | number)[])[] = []
const notes: string[] = []

/** RAM that compressed swap takes on this machine, in bytes. */
async function compressedBytes(): Promise<number> {
  let bytes = 0
  for (const name of await readdir('/sys/block'))
    if (name.startsWith('zram')) {
      // Fields: original size, compressed size, RAM taken with everything around it, ...
      const fields = (await readFile(`/sys/block/${name}/mm_stat`, 'utf8')).trim().split(/\s+/)
      bytes += Number(fields[2])
    }
  return bytes
}

async function measure(label: string, baselineCompressed: number): Promise<number> {
  const { residentBytes } = await reef.memory()
  const compressed = Math.max(0, (await compressedBytes()) - baselineCompressed)
  const each = (residentBytes + compressed) / count
  rows.push([
    label,
    count,
    Math.round(residentBytes / count / mebibyte),
    Math.round(compressed / count / mebibyte),
    Math.round((gibibyte / each) * 10) / 10,
  ])
  return each
}

async function sleepDownTo(rung: 'frozen' | 'frozen_on_disk'): Promise<void> {
  for (const { person, instance } of people)
    await until(`instance ${instance.slug} is ${rung}`, 300_000, async () => {
      const now = await person.call<Instance>('GET', '/api/status')
      return now.sleep?.rung === rung
    })
  // The rung says what should be; moving the memory takes a moment more.
  let before = Number.POSITIVE_INFINITY
  await until('the memory has moved', 120_000, async () => {
    await new Promise((done) => setTimeout(done, 3_000))
    const now = (await reef.memory()).residentBytes + (await compressedBytes())
    const settled = Math.abs(before - now) < mebibyte * count
    before = now
    return settled
  })
}

const wakes: number[] = []
const ratios: { zram?: number; disk?: number } = {}
try {
  const baseline = await compressedBytes()
  for (let index = 0; index < count; index++) {
    const person = await signUp(reef.process.url, reef.process.proxyUrl, `person-${index}@example.com`)
    const instance = await person.provision()
    for (let turn = 0; turn < turns; turn++) await measureFirstWord(person)
    people.push({ person, instance })
  }
  const resident = await measure(`all resident, after ${turns} turns`, baseline)

  await reef.process.stop()
  await reef.process.restart({ POOL_SIZE: '0', REEF_IDLE_SUSPEND: '1s', REEF_IDLE_FREEZE: '2s' })
  await sleepDownTo('frozen')
  ratios.zram = resident / (await measure('asleep, frozen in compressed memory', baseline))
  for (const { person } of people) wakes.push(await measureFirstWord(person))
  await sleepDownTo('frozen')
  await measure('asleep again after having been woken once', baseline)

  await reef.process.stop()
  await reef.process.restart({
    POOL_SIZE: '0',
    REEF_IDLE_SUSPEND: '1s',
    REEF_IDLE_FREEZE: '2s',
    REEF_IDLE_DISK: '3s',
  })
  await sleepDownTo('frozen_on_disk')
  ratios.disk = resident / (await measure('asleep, frozen on disk', baseline))
} finally {
  for (const { person } of people) await person.call('DELETE', '/api/deprovision').catch(() => undefined)
  await reef.close()
}

const times = (ratio: number | undefined) =>
  ratio === undefined ? 'not measured' : `${ratio.toFixed(1)} times`
notes.push(
  `Idle instances per GiB against all resident: ${times(ratios.zram)} in compressed memory, ${times(ratios.disk)} with a disk.`,
  `Waking one after the other out of compressed memory, request to first word: median ${summarize(wakes)[2]} ms.`,
)
await report('density', {
  title: 'Density: RAM of idle instances with the idle ladder',
  columns: ['instances', 'count', 'resident each (MiB)', 'compressed each (MiB)', 'per GiB of RAM'],
  rows,
  notes,
})
