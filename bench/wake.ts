import type { Instance } from '../test/support/client.ts'
import { freePort } from '../test/support/free-port.ts'
import { startColdOpenClaw } from './support/cold-openclaw.ts'
import { measureFirstWord, startDockerReef, until, untilPoolHas } from './support/docker-reef.ts'
import { report } from './support/report.ts'
import { summarize } from './support/statistics.ts'
import { makeCompressedSwap, makeSwapFile, type Swap, swapProblem } from './support/swap.ts'

/**
 * From a request for a sleeping instance to the first word of its answer, by how deeply it slept, beside OpenClaw that is
 * started by hand for it. Needs Docker, the images (`npm run image`) and, for the frozen rungs, root, since it makes
 * compressed swap and then a swap file for itself.
 */
const rounds = Number(process.argv[2] ?? 5)

const mebibyte = 1024 ** 2
/** What a frozen instance may still hold; awake it holds several times as much. */
const frozenBytesMax = 200 * mebibyte

const swapBytes = 4 * 1024 * mebibyte

interface Rung {
  name: 'suspended' | 'frozen' | 'stopped'
  label: string
  settings: Record<string, string>
  makeSwap?: (bytes: number) => Promise<Swap>
}

const rungs: Rung[] = [
  { name: 'suspended', label: 'suspended', settings: {} },
  {
    name: 'frozen',
    label: 'frozen in compressed memory',
    settings: { REEF_IDLE_FREEZE: '1s' },
    makeSwap: makeCompressedSwap,
  },
  {
    name: 'frozen',
    label: 'frozen on disk',
    settings: { REEF_IDLE_FREEZE: '1s' },
    makeSwap: makeSwapFile,
  },
  { name: 'stopped', label: 'stopped', settings: { REEF_IDLE_STOP: '2s' } },
]

const problem = await swapProblem()
const reef = await startDockerReef({ POOL_SIZE: '1' })
const rows: (readonly (string | number)[])[] = []
const notes: string[] = []
try {
  await untilPoolHas(reef.process.url, 1)
  const { id } = await reef.operator.provision()
  for (let turn = 0; turn < 3; turn++) await measureFirstWord(reef.operator)
  const awake: number[] = []
  for (let round = 0; round < rounds; round++) awake.push(await measureFirstWord(reef.operator))
  rows.push(['awake', ...summarize(awake)])

  for (const rung of rungs) {
    if (rung.makeSwap && problem) {
      notes.push(`${rung.label}: not measured, since ${problem}.`)
      continue
    }
    await reef.process.stop()
    const swap = await rung.makeSwap?.(swapBytes)
    await reef.process.restart({ POOL_SIZE: '0', ...rung.settings })
    await reef.operator.untilInstance(
      ({ status }) => ['running', 'suspended', 'stopped'].includes(status),
      'seen by the control plane that has just started',
    )
    const times: number[] = []
    for (let round = 0; round < rounds; round++) {
      await letSleep(id, rung)
      const milliseconds = await measureFirstWord(reef.operator)
      console.log(`  ${rung.label}: ${Math.round(milliseconds)} ms`)
      times.push(milliseconds)
    }
    rows.push([rung.label, ...summarize(times)])
    if (swap) {
      await reef.process.stop()
      await swap.remove()
      await reef.process.restart({ POOL_SIZE: '0' })
    }
  }
  rows.push(['cold: openclaw gateway run + first turn', ...summarize(await measureCold())])
} finally {
  await reef.operator.call('DELETE', '/api/deprovision').catch(() => undefined)
  await reef.close()
}

/** OpenClaw as one would start it by hand, on the same model. */
async function measureCold(): Promise<number[]> {
  const cold: number[] = []
  await reef.process.stop()
  for (let round = 0; round < Math.min(rounds, 3); round++) {
    const startedAt = performance.now()
    const openclaw = await startColdOpenClaw(reef.modelUrl, await freePort())
    await openclaw.firstToken()
    cold.push(performance.now() - startedAt)
    await openclaw.stop()
  }
  await reef.process.restart({ POOL_SIZE: '0' })
  return cold
}

async function letSleep(instanceId: string, rung: Rung): Promise<void> {
  const { operator } = reef
  // Refused when the short times of this figure have let it sleep already.
  if (rung.name !== 'stopped') await operator.raw('POST', `/api/instances/${instanceId}/suspend`)
  await until(`the instance is ${rung.name}`, 120_000, async () => {
    const { sleep, status } = await operator.call<Instance>('GET', '/api/status')
    if (sleep?.rung !== rung.name) return false
    if (rung.name !== 'frozen') return status === rung.name
    return (await reef.memory()).residentBytes < frozenBytesMax
  })
}

await report('wake', {
  title: 'Wake: request to first streamed word, milliseconds, real OpenClaw in a container',
  columns: ['the instance was', 'rounds', 'minimum', 'median', 'maximum'],
  rows,
  notes,
})
