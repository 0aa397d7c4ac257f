import { openDatabase } from '../../../src/db/database.ts'
import type { BlobStore, DraftStore } from '../../../src/domain/backups/blob-store.ts'
import { startPipeline } from './pipeline.ts'

/** A control plane's half that kills itself before the nth step around its store: `DATABASE_URL STORE STEP`. */
const [url, storeDirectory, step] = process.argv.slice(2) as [string, string, string]
let steps = 0
const passing = (): void => {
  steps += 1
  if (steps === Number(step)) process.kill(process.pid, 'SIGKILL')
}
const mortal = (local: BlobStore & DraftStore): BlobStore & DraftStore => {
  const around =
    <Arguments extends unknown[], Result>(work: (...given: Arguments) => Promise<Result>) =>
    async (...given: Arguments): Promise<Result> => {
      passing()
      const result = await work(...given)
      passing()
      return result
    }
  return { ...local, append: around(local.append), publish: around(local.publish), put: around(local.put) }
}
const pipeline = await startPipeline({ database: openDatabase({ url }), storeDirectory, wrap: mortal })
process.stdout.write(`${pipeline.origin}\n`)
