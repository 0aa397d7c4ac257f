import { configDefaults, defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

const integration = '{src,supervisor,gate,test,web}/**/*.int.test.ts'
const unit = '{src,supervisor,gate,test,web}/**/*.test.ts'

/** These make networks on this machine, and a browser breaks off what it loads whenever those change; none has one. */
const onDocker = [
  'test/isolation/**/*.int.test.ts',
  'src/compute/docker/**/*.int.test.ts',
  'src/compute/conformance.int.test.ts',
  'e2e/upgrade.e2e.ts',
]
/** Hours of boots and no browser: they use what those on Docker leave of the machine. */
const besideDocker = ['test/backups/conversation.int.test.ts', 'e2e/{faults,runtime}.e2e.ts']
const browserOnDocker = ['e2e/docker.e2e.ts']
/** The same beside a single file with a browser. */
const besideBrowser = ['supervisor/secrets.int.test.ts', 'test/backups/{full,pipeline,restore}.int.test.ts']
/** A disk that is being filled slows down whoever boots from it: what is beside it boots nothing. */
const fillingDisk = ['e2e/full-disk.e2e.ts']
const besideFilling = ['src/{cli,http}/**/*.int.test.ts']

/** Minutes each, most with a real OpenClaw: the longest first, or one of them is left when all others are done. */
const longest = [
  'e2e/upgrade.',
  'supervisor/supervisor.int.',
  'backups/conversation.int.',
  'e2e/docker.',
  'e2e/faults.',
  'e2e/runtime.',
  'e2e/credits.',
  'supervisor/secrets.int.',
  'e2e/selling.',
  'backups/full.int.',
  'e2e/dashboard.',
  'isolation/',
  'docker/driver.int.',
  'e2e/',
  'credits/runtime.int.',
  'ledger/ledger-stress.int.',
]

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification) => {
      const place = longest.findIndex((part) => moduleId.includes(`/${part}`))
      return place === -1 ? longest.length : place
    }
    return (await super.sort(files)).sort((one, other) => rank(one) - rank(other))
  }
}

const project = (
  name: string,
  groupOrder: number,
  include: string[],
  exclude: string[] = [],
  options: { isolate?: boolean } = {},
) => ({
  extends: true as const,
  test: {
    name,
    include,
    exclude: [...configDefaults.exclude, ...exclude],
    sequence: { groupOrder },
    ...options,
  },
})

/** Without a process of its own for each file, which takes longer than what is in most. */
const pure = project('unit', 0, [unit], [integration], { isolate: false })

// One run, three kinds of test: *.test.ts are pure, *.int.test.ts use the real components, e2e/*.e2e.ts a real browser.
// The non-UTC zone makes any code that leans on the machine's zone fail.
export default defineConfig({
  test: {
    globalSetup: ['test/support/global-setup.ts'],
    env: { TZ: 'Asia/Kathmandu', NODE_ENV: 'test' },
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 120_000,
    sequence: { sequencer: LongestFirst },
    projects: [
      pure,
      project(
        'reef',
        1,
        [integration, 'e2e/**/*.e2e.ts'],
        [
          ...onDocker,
          ...besideDocker,
          ...browserOnDocker,
          ...besideBrowser,
          ...fillingDisk,
          ...besideFilling,
        ],
      ),
      project('docker', 2, onDocker),
      project('beside docker', 2, besideDocker),
      project('docker with a browser', 3, browserOnDocker),
      project('beside a browser', 3, besideBrowser),
      project('filling a disk', 4, fillingDisk),
      project('beside a full disk', 4, besideFilling),
    ],
  },
})
