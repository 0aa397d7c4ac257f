import type { Database } from '../../../src/db/database.ts'
import { createTestSelling } from './selling.ts'

/** A control plane that kills itself before or after the nth transaction: `DATABASE STRIPE KEY SECRET STEP`. */
const [loginUrl, url, secretKey, webhookSecret, step] = process.argv.slice(2) as [
  string,
  string,
  string,
  string,
  string,
]
let steps = 0
const passing = (): void => {
  steps += 1
  if (steps === Number(step)) process.kill(process.pid, 'SIGKILL')
}
const mortal = (database: Database): Database => ({
  ...database,
  asSystem: async (work) => {
    passing()
    const result = await database.asSystem(work)
    passing()
    return result
  },
})
const selling = await createTestSelling({ url, secretKey, webhookSecret }, { loginUrl }, { wrap: mortal })
process.stdout.write(`${await selling.server.listen({ host: '127.0.0.1', port: 0 })}\n`)
