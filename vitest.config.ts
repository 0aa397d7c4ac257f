import { defineConfig } from 'vitest/config'

// One run, three kinds of test: *.test.ts are pure, *.int.test.ts use the real components, e2e/*.e2e.ts a real browser.
// The non-UTC zone makes any code that leans on the machine's zone fail.
export default defineConfig({
  test: {
    include: ['{src,supervisor,gate,test,web}/**/*.test.ts', 'e2e/**/*.e2e.ts'],
    globalSetup: ['test/support/global-setup.ts'],
    env: { TZ: 'Asia/Kathmandu', NODE_ENV: 'test' },
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 120_000,
  },
})
