/**
 * Whether the tests run too that take minutes of a small machine for what others in the same run show as well. Each says
 * which: `describe.skipIf(!isLongRun)`. `npm run test:long` runs everything.
 */
export const isLongRun = process.env.REEF_TEST_LONG === '1'
