import type { Engine } from './engine.ts'
import { engineMessage } from './errors.ts'

/** How long a pull that failed is told of before another is tried. */
const failureSeconds = 60

export type PullState = { kind: 'pulling' } | { kind: 'failed'; message: string } | undefined

interface Pull {
  running: boolean
  /** What to do for each slot that waits. */
  waiting: (() => Promise<unknown>)[]
  failure: string | undefined
  failedAt: number
}

/** Images on their way from a registry to a host: one pull for all slots that wait for it. */
export function createPulls() {
  const pulls = new Map<string, Pull>()
  const keyOf = (engine: Engine, reference: string): string => `${engine.host.name} ${reference}`

  const stateOf = (engine: Engine, reference: string): PullState => {
    const pull = pulls.get(keyOf(engine, reference))
    if (!pull) return undefined
    if (pull.running) return { kind: 'pulling' }
    if (pull.failure === undefined || Date.now() - pull.failedAt > failureSeconds * 1000) return undefined
    return { kind: 'failed', message: pull.failure }
  }

  /** Starts one unless it has just failed, or joins the one that runs; `onDone` is called when the image is there. */
  const start = (engine: Engine, reference: string, onDone: () => Promise<unknown>): void => {
    if (!isFromRegistry(reference)) return
    const state = stateOf(engine, reference)
    if (state?.kind === 'failed') return
    const known = pulls.get(keyOf(engine, reference))
    if (state && known) {
      known.waiting.push(onDone)
      return
    }
    const pull: Pull = { running: true, waiting: [onDone], failure: undefined, failedAt: 0 }
    pulls.set(keyOf(engine, reference), pull)
    void run(pull, engine, reference)
  }

  const run = async (pull: Pull, engine: Engine, reference: string): Promise<void> => {
    try {
      await pullImage(engine, reference)
      // A slot that fails now is asked for again by the core, as any other.
      await Promise.allSettled(pull.waiting.map((onDone) => onDone()))
    } catch (error) {
      pull.failure = engineMessage(error)
      pull.failedAt = Date.now()
    }
    pull.running = false
  }

  return { start, stateOf }
}

/** `HOST/NAME` or `OWNER/NAME`; what `npm run image` builds has no such part, and a digest alone cannot be pulled. */
function isFromRegistry(reference: string): boolean {
  return reference.includes('/') && !reference.startsWith('sha256:')
}

async function pullImage({ patient }: Engine, reference: string): Promise<void> {
  const stream = await patient.pull(reference)
  await new Promise<void>((done, failed) => {
    patient.modem.followProgress(stream, (error: Error | null) => (error ? failed(error) : done()))
  })
}
