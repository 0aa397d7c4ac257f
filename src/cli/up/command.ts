import type { Command } from 'commander'
import { readConfig } from '../../config.ts'
import type { IngressPlan } from '../../ingress.ts'
import type { RunningReef, startReef } from '../../main.ts'
import { CliError, exitCodes } from '../failure.ts'
import { createStepDisplay, type StepDisplay } from '../steps.ts'
import { type Caddy, findCaddy } from './caddy.ts'
import { buildDashboard, isDashboardStale } from './dashboard.ts'
import { type Ingress, startIngress } from './ingress.ts'
import { describeStartFailure } from './start-failure.ts'

export interface UpOptions {
  port?: string
  proxyPort?: string
  dataDir?: string
  driver?: string
  poolSize?: string
  ingress?: string
}

export interface UpParts {
  prepareDashboard(steps: StepDisplay): Promise<void>
  startReef: typeof startReef
}

export function addUpCommand(program: Command): void {
  program
    .command('up')
    .description(
      'Start Reef on this machine: dashboard, API, proxy and, unless DATABASE_URL is set, a database.',
    )
    .option('--port <port>', 'port of dashboard and API (REEF_PORT)')
    .option('--proxy-port <port>', 'port of the proxy to the instances (REEF_PROXY_PORT)')
    .option('--data-dir <directory>', 'where Reef keeps its data (REEF_DATA_DIR)')
    .option('--driver <name>', 'compute driver for new instances (REEF_DRIVER)')
    .option('--pool-size <count>', 'slots kept booted for the next person (POOL_SIZE)')
    .option('--ingress <name>', 'caddy: run Caddy in front, for https (REEF_INGRESS)')
    .addHelpText(
      'after',
      `
Every other setting is an environment variable: docs/reference/configuration.md.

Examples:
  reef up
  reef up --port 8080 --data-dir /var/lib/reef
  OPENAI_API_KEY=sk-... reef up`,
    )
    .action(async (options: UpOptions) => {
      const { startReef } = await import('../../main.ts')
      await runUp(options, { prepareDashboard, startReef })
    })
}

/** The environment with the options laid over it: an option is only another way to write a setting. */
export function environmentOf(
  options: UpOptions,
  environment: Record<string, string | undefined>,
): Record<string, string | undefined> {
  const given = {
    REEF_PORT: options.port,
    REEF_PROXY_PORT: options.proxyPort,
    REEF_DATA_DIR: options.dataDir,
    REEF_DRIVER: options.driver,
    POOL_SIZE: options.poolSize,
    REEF_INGRESS: options.ingress,
  }
  const set = Object.entries(given).filter(([, value]) => value !== undefined)
  return { ...environment, ...Object.fromEntries(set) }
}

/** Starts Reef, waits for Ctrl-C or SIGTERM, stops it and ends the process. Throws a CliError when it does not start. */
export async function runUp(options: UpOptions, parts: UpParts): Promise<void> {
  const steps = createStepDisplay()
  const interruption = listenForInterruption(steps)
  try {
    const config = readConfig(environmentOf(options, process.env))
    // Before anything is started: what is missing should not take a minute to say.
    const caddy = config.REEF_INGRESS === 'caddy' ? await findCaddy() : undefined
    await parts.prepareDashboard(steps)
    const reef = await parts.startReef(config, (step) => steps.show(step))
    const ingress = caddy && reef.ingress && (await openIngress(reef, reef.ingress, caddy, steps))
    steps.end()
    if (!interruption.requested) announce(reef)
    await interruption.wait
    steps.show({ name: 'Stopped', state: 'start' })
    // Together: what Caddy holds open ends when Reef's own listeners close.
    await Promise.all([ingress?.stop(), reef.stop()])
    steps.show({ name: 'Stopped', state: 'done' })
  } catch (error) {
    steps.end()
    const message = describeStartFailure(error)
    throw message === undefined ? error : new CliError('failed', message, { cause: error })
  }
  // Whatever still holds the process, such as a client's idle connection, has had its notice.
  process.exit(exitCodes.ok)
}

/** A Reef that people cannot reach is stopped again. */
async function openIngress(
  reef: RunningReef,
  plan: IngressPlan,
  caddy: Caddy,
  steps: StepDisplay,
): Promise<Ingress> {
  steps.show({ name: 'Ingress', state: 'start' })
  try {
    const ingress = await startIngress(plan, { caddy, onNotice: (notice) => console.error(notice) })
    steps.show({ name: 'Ingress', state: 'done', detail: `Caddy ${caddy.version}` })
    return ingress
  } catch (error) {
    await reef.stop()
    throw error
  }
}

async function prepareDashboard(steps: StepDisplay): Promise<void> {
  if (!(await isDashboardStale())) return
  steps.show({ name: 'Dashboard built', state: 'start' })
  await buildDashboard()
  steps.show({ name: 'Dashboard built', state: 'done' })
}

function announce(reef: RunningReef): void {
  const notices = reef.notices.map((notice) => `\n${notice}`).join('')
  console.log(`\nReef is ready. Open:\n\n  ${reef.url}\n${notices}\n\nCtrl-C stops it.`)
}

/** Two signals this close together are one Ctrl-C: the terminal sends it to all, and npm passes its own on. */
const sameInterruptionMilliseconds = 500

/** The first Ctrl-C or SIGTERM asks for a clean stop; the next one ends the process at once. */
function listenForInterruption(steps: StepDisplay): { readonly requested: boolean; wait: Promise<void> } {
  let requestedAt: number | undefined
  const { promise, resolve } = Promise.withResolvers<void>()
  const onSignal = (): void => {
    const now = performance.now()
    if (requestedAt === undefined) {
      requestedAt = now
      steps.end()
      console.log('\nStopping; once more to stop at once.')
      resolve()
    } else if (now - requestedAt > sameInterruptionMilliseconds) {
      steps.end()
      process.exit(exitCodes.interrupted)
    }
  }
  process.on('SIGINT', onSignal)
  process.on('SIGTERM', onSignal)
  return {
    get requested() {
      return requestedAt !== undefined
    },
    wait: promise,
  }
}
