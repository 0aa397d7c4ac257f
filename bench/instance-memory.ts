import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Instance, signUp, type TestClient } from '../test/support/client.ts'
import { freePort } from '../test/support/free-port.ts'
import { priceModel } from '../test/support/prices.ts'
import { startReefProcess } from '../test/support/reef-process.ts'
import { type ColdOpenClaw, startColdOpenClaw, startInstantModel } from './support/cold-openclaw.ts'
import { processBytes, treeBytes } from './support/memory.ts'
import { report } from './support/report.ts'
import { summarize } from './support/statistics.ts'

/**
 * What an instance holds in memory on the process driver, right after boot and after turns, beside OpenClaw started by
 * hand. All of them run at once, so that shared pages are shared in the same way.
 */
const count = Number(process.argv[2] ?? 3)
const turns = 3

const mebibytes = (bytes: number) => bytes / 1024 ** 2

async function supervisorPids(dataDirectory: string): Promise<number[]> {
  const slots = join(dataDirectory, 'slots')
  return Promise.all(
    (await readdir(slots)).map(
      async (slot) =>
        JSON.parse(await readFile(join(slots, slot, 'supervisor.pid.json'), 'utf8')).pid as number,
    ),
  )
}

const measure = async (pids: readonly number[]) =>
  Promise.all(pids.map(async (pid) => mebibytes(await treeBytes(pid))))

async function chat(person: TestClient, instance: Instance): Promise<void> {
  const { id } = await person.call<{ id: string }>(
    'POST',
    `/api/sessions/${instance.sessionId}/conversations`,
  )
  for (let turn = 0; turn < turns; turn++) await person.say(instance.sessionId as string, id, 'hello')
}

const model = await startInstantModel()
const reef = await startReefProcess({
  POOL_SIZE: '0',
  REEF_PROCESS_DRIVER_MULTI_USER: 'i-understand-it-isolates-nothing',
  OPENAI_API_KEY: 'bench',
  OPENAI_BASE_URL: model.url,
  REEF_MODEL: 'openai/instant',
})
const byHand: ColdOpenClaw[] = []
const rows: (readonly (string | number)[])[] = []
try {
  const launched: { person: TestClient; instance: Instance }[] = []
  for (let index = 0; index < count; index++) {
    const person = await signUp(reef.url, reef.proxyUrl, `person-${index}@example.com`)
    // Whoever signs up first operates this Reef.
    if (index === 0) await priceModel(person, 'openai/instant')
    launched.push({ person, instance: await person.provision() })
    byHand.push(await startColdOpenClaw(model.url, await freePort()))
    await byHand[index]?.ready()
  }
  const instances = await supervisorPids(reef.dataDirectory)
  rows.push(['instance before any turn', ...summarize(await measure(instances))])
  rows.push([
    'openclaw gateway run before any turn',
    ...summarize(await measure(byHand.map(({ pid }) => pid))),
  ])
  for (const { person, instance } of launched) await chat(person, instance)
  for (const openclaw of byHand) for (let turn = 0; turn < turns; turn++) await openclaw.firstToken()
  rows.push([`instance after ${turns} turns`, ...summarize(await measure(instances))])
  rows.push([
    `openclaw gateway run after ${turns} turns`,
    ...summarize(await measure(byHand.map(({ pid }) => pid))),
  ])
  rows.push(['control plane, the process alone', ...summarize([mebibytes(await processBytes(reef.pid))])])
} finally {
  for (const openclaw of byHand) await openclaw.stop()
  await reef.close()
  model.server.close()
}

await report('instance-memory', {
  title: 'Memory: proportional set size of a whole process tree, MiB',
  columns: ['what', 'count', 'minimum', 'median', 'maximum'],
  rows,
  notes: ['An instance is its supervisor and OpenClaw.'],
})
