import { configDefaults, defineConfig } from 'vitest/config'

const browserOnDocker = ['e2e/docker.e2e.ts']
/** No Docker and nobody at a browser: they use what a single file with a browser leaves of the machine. */
const besideBrowser = ['supervisor/secrets.int.test.ts', 'test/backups/{full,pipeline,restore}.int.test.ts']
/** A disk that is being filled slows down whoever boots from it. */
const aloneOnDocker = ['e2e/full-disk.e2e.ts']
/** These make networks on this machine, and a browser breaks off what it loads whenever those change; none has one. */
const onDocker = [
  'test/isolation/**/*.test.ts',
  'src/compute/docker/**/*.int.test.ts',
  'src/compute/conformance.int.test.ts',
  'e2e/upgrade.e2e.ts',
]

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
    projects: [
      {
        extends: true,
        test: {
          name: 'reef',
          include: ['{src,supervisor,gate,test,web}/**/*.test.ts', 'e2e/**/*.e2e.ts'],
          exclude: [
            ...configDefaults.exclude,
            ...onDocker,
            ...browserOnDocker,
            ...besideBrowser,
            ...aloneOnDocker,
          ],
          sequence: { groupOrder: 0 },
        },
      },
      { extends: true, test: { name: 'docker', include: onDocker, sequence: { groupOrder: 1 } } },
      {
        extends: true,
        test: { name: 'docker with a browser', include: browserOnDocker, sequence: { groupOrder: 2 } },
      },
      {
        extends: true,
        test: { name: 'beside a browser', include: besideBrowser, sequence: { groupOrder: 2 } },
      },
      {
        extends: true,
        test: { name: 'alone on docker', include: aloneOnDocker, sequence: { groupOrder: 3 } },
      },
    ],
  },
})
