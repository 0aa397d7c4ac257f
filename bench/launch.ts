import { signUp, type TestClient } from '../test/support/client.ts'
import { readReefId, removeOwn } from '../test/support/docker.ts'
import { freePort } from '../test/support/free-port.ts'
import { priceModel } from '../test/support/prices.ts'
import { startReefProcess } from '../test/support/reef-process.ts'
import { readFirstToken, startColdOpenClaw, startInstantModel } from './support/cold-openclaw.ts'
import { report } from './support/report.ts'
import { summarize } from './support/statistics.ts'

/**
 * Click to first streamed word, with real OpenClaw: a launch from the warm pool against what a person does without
 * Reef, `openclaw gateway run` and a first message. Both models answer at once. The two take turns, so that a slow
 * spell of the machine hits both. The second argument is the compute driver: `process`, or `docker` with its images.
 */
const rounds = Number(process.argv[2] ?? 5)
const driver = process.argv[3] ?? 'process'

async function measureCold(modelUrl: string): Promise<number> {
  const startedAt = performance.now()
  const openclaw = await startColdOpenClaw(modelUrl, await freePort())
  try {
    await openclaw.firstToken()
    return performance.now() - startedAt
  } finally {
    await openclaw.stop()
  }
}

/** From the click on "Launch" to the first word, as the dashboard does it: provision, wait for running, send. */
async function measureWarm(person: TestClient): Promise<{ claim: number; firstToken: number }> {
  const startedAt = performance.now()
  await person.provision()
  const claimedAt = performance.now()
  const response = await person.raw('POST', '/v1/chat/completions', {
    model: 'openclaw',
    stream: true,
    messages: [{ role: 'user', content: 'hello' }],
  })
  if (!response.ok || !response.body) throw new Error(`chat: ${response.status} ${await response.text()}`)
  await readFirstToken(response.body)
  return { claim: claimedAt - startedAt, firstToken: performance.now() - startedAt }
}

async function untilPoolIsWarm(url: string): Promise<void> {
  const deadline = Date.now() + 180_000
  for (;;) {
    const metrics = await (await fetch(`${url}/metrics`)).text()
    if (/reef_slots\{state="available"\} [1-9]/.test(metrics)) return
    if (Date.now() > deadline) throw new Error(`the pool did not become warm:\n${metrics}`)
    await new Promise((done) => setTimeout(done, 250))
  }
}

const model = await startInstantModel()
const reef = await startReefProcess({
  POOL_SIZE: '1',
  REEF_DRIVER: driver,
  REEF_PROCESS_DRIVER_MULTI_USER: 'i-understand-it-isolates-nothing',
  // The demo model types at a person's reading speed unless told otherwise; here both models answer at once.
  OPENAI_API_KEY: 'bench',
  OPENAI_BASE_URL: model.url,
  REEF_MODEL: 'openai/instant',
})
const cold: number[] = []
const claim: number[] = []
const warm: number[] = []
try {
  for (let round = 0; round < rounds; round++) {
    await untilPoolIsWarm(reef.url)
    const person = await signUp(reef.url, reef.proxyUrl, `person-${round}@example.com`)
    // Whoever signs up first operates this Reef.
    if (round === 0) await priceModel(person, 'openai/instant')
    const measured = await measureWarm(person)
    claim.push(measured.claim)
    warm.push(measured.firstToken)
    await person.call('DELETE', '/api/deprovision')
    await untilPoolIsWarm(reef.url)
    cold.push(await measureCold(model.url))
  }
} finally {
  const reefId = driver === 'docker' ? await readReefId(reef.dataDirectory) : undefined
  await reef.close()
  if (reefId) await removeOwn(reefId)
  model.server.close()
}

const ratios = cold.map((milliseconds, index) => milliseconds / (warm[index] ?? Number.NaN))
await report(driver === 'process' ? 'launch' : `launch-${driver}`, {
  title: `Launch: click to first streamed word, real OpenClaw, driver ${driver}`,
  columns: ['what', 'rounds', 'minimum', 'median', 'maximum'],
  rows: [
    ['cold: openclaw gateway run + first turn (ms)', ...summarize(cold)],
    ['warm: provision until running (ms)', ...summarize(claim)],
    ['warm: provision to first word (ms)', ...summarize(warm)],
    ['cold / warm, round by round', ...summarize(ratios)],
  ],
})
